//! Records.

use bytes::BufMut as _;

use crate::packet::{ETHERNET_BYTES, Packet, TCP_CHECKSUM, UDP_CHECKSUM};

/// One packet, and what its record's header says of it.
pub struct Seed {
    pub name: &'static str,
    pub frame: Vec<u8>,
    pub gso_size: u32,
    /// `enum` in include/linux/skbuff.h `SKB_GSO_TCPV4` and on.
    pub gso_type: u32,
    /// EtherType and TCI of a tag beside the packet.
    pub tag: Option<(u16, u16)>,
    /// `csum_start` and `csum_offset` of a partial checksum.
    pub partial: Option<(u16, u16)>,
    pub inner_network_at: u16,
    /// Bytes of the skb that the record lacks.
    pub missing: u32,
    /// The EtherType of a packet that begins with its IP header.
    pub bare_ip: Option<u16>,
    /// Whether to cut into jumbo frames.
    pub jumbo: bool,
    /// Whether the kernel could not be asked.
    pub unasked: bool,
}

impl Seed {
    pub fn new(name: &'static str, frame: Vec<u8>) -> Self {
        Self {
            name,
            frame,
            gso_size: 0,
            gso_type: 0,
            tag: None,
            partial: None,
            inner_network_at: 0,
            missing: 0,
            bare_ip: None,
            jumbo: false,
            unasked: false,
        }
    }

    /// The same packet from a device without a link layer.
    pub fn bare(self, name: &'static str) -> Self {
        let ether_type = u16::from_be_bytes([self.frame[12], self.frame[13]]);
        Self {
            name,
            bare_ip: Some(ether_type),
            frame: self.frame[ETHERNET_BYTES..].to_vec(),
            partial: self
                .partial
                .map(|(start, offset)| (start - ETHERNET_BYTES as u16, offset)),
            inner_network_at: self.inner_network_at.saturating_sub(ETHERNET_BYTES as u16),
            ..self
        }
    }

    /// The same record, to be cut into jumbo frames.
    pub fn jumbo(self, name: &'static str) -> Self {
        Self {
            name,
            jumbo: true,
            ..self
        }
    }

    /// The same record, of which only the packet is known.
    pub fn unasked(self, name: &'static str) -> Self {
        Self {
            name,
            unasked: true,
            ..self
        }
    }

    /// A packet whose checksum the kernel left to the device.
    pub fn partial(name: &'static str, packet: &Packet) -> Self {
        let mut seed = Self::new(name, packet.build(true));
        let field = if packet.tcp {
            TCP_CHECKSUM
        } else {
            UDP_CHECKSUM
        };
        seed.partial = Some((packet.transport_at() as u16, field as u16));
        seed
    }

    pub fn super_frame(name: &'static str, packet: &Packet, gso_size: u32) -> Self {
        let gso_type = match (packet.tcp, packet.v6) {
            (true, false) => 1 << 0,
            (true, true) => 1 << 4,
            (false, _) => 1 << 17,
        };
        Self {
            gso_size,
            gso_type,
            ..Self::partial(name, packet)
        }
    }

    /// The layout is that of `src/record.rs`.
    pub fn record(&self) -> Vec<u8> {
        let (proto, tci) = self.tag.unwrap_or_default();
        let (start, offset) = self.partial.unwrap_or_default();
        let mut input = Vec::new();
        input.put_u32_le(self.gso_size);
        input.put_u32_le(self.gso_type);
        input.put_u16_le(proto);
        input.put_u16_le(tci);
        input.put_u8(self.tag.is_some().into());
        input.put_u8(1);
        input.put_u16_le(start);
        input.put_u16_le(offset);
        input.put_u16_le(self.inner_network_at);
        // CHECKSUM_PARTIAL, or CHECKSUM_NONE.
        input.put_u8(if self.partial.is_some() { 3 } else { 0 });
        // All fields are known, or none.
        input.put_u8(if self.unasked { 0 } else { 7 });
        input.put_u8(self.bare_ip.is_some().into());
        input.put_u8(self.jumbo.into());
        input.put_u16_le(self.bare_ip.unwrap_or(0));
        input.put_u16_le(0);
        input.put_u32_le(self.missing);
        input.extend_from_slice(&self.frame);
        input
    }
}
