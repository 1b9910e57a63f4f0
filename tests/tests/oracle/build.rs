//! The bytes that a packet is.
//!
//! Built without the engine: what it gets wrong must not be wrong here too.

use crate::{
    packet::{At, Field, Ip, Packet, Transport},
    sum::{fold, sum},
};

const TCP: u8 = 6;
const UDP: u8 = 17;

impl Packet {
    pub(crate) fn is_v4(&self) -> bool {
        matches!(self.ip, Ip::V4 { .. })
    }

    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.transport, Transport::Tcp { .. })
    }

    fn protocol(&self) -> u8 {
        match self.transport {
            Transport::Tcp { .. } => TCP,
            Transport::Udp { .. } => UDP,
            Transport::Other(number) => number,
        }
    }

    /// The transport header with a checksum of 0, and where its checksum is.
    fn transport_header(&self) -> (Vec<u8>, usize) {
        match &self.transport {
            Transport::Tcp {
                ports,
                sequence,
                acknowledged,
                flags,
                window,
                urgent,
                options,
            } => {
                let words = (20 + options.len()) / 4;
                let offset_flags = ((words as u16) << 12) | flags;
                let mut header = Vec::new();
                header.extend(ports.to_be_bytes());
                header.extend(sequence.to_be_bytes());
                header.extend(acknowledged.to_be_bytes());
                for field in [offset_flags, *window, 0, *urgent] {
                    header.extend(field.to_be_bytes());
                }
                header.extend(options);
                (header, 16)
            }
            Transport::Udp { ports, length } => {
                let length = length.unwrap_or((8 + self.payload.len()) as u16);
                let mut header = ports.to_be_bytes().to_vec();
                header.extend(length.to_be_bytes());
                header.extend([0, 0]);
                (header, 6)
            }
            Transport::Other(_) => (Vec::new(), 0),
        }
    }

    /// The pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1). UDP
    /// takes its own length for it.
    fn pseudo_header(&self, header: &[u8]) -> Vec<u8> {
        let (Ip::V4 { addresses, .. } | Ip::V6 { addresses, .. }) = &self.ip;
        let (source, destination) = addresses.split_at(addresses.len() / 2);
        let destination = self.final_destination.as_deref().unwrap_or(destination);
        let length = match self.transport {
            Transport::Udp { .. } => u32::from(u16::from_be_bytes([header[4], header[5]])),
            _ => (header.len() + self.payload.len()) as u32,
        };
        let numbers = [&length.to_be_bytes()[..], &[0, self.protocol()]].concat();
        [source, destination, &numbers].concat()
    }

    /// The folded sum of the pseudo-header, and that of all of the datagram
    /// with its checksum taken as 0.
    pub(crate) fn sums(&self) -> (u16, u16) {
        let (header, _) = self.transport_header();
        let pseudo = sum(&self.pseudo_header(&header));
        let datagram = [&header[..], &self.payload].concat();
        (fold(pseudo), fold(pseudo + sum(&datagram)))
    }

    pub(crate) fn build(&self, field: Field) -> (Vec<u8>, At) {
        let (mut header, checksum) = self.transport_header();
        if checksum > 0 {
            let (pseudo, all) = self.sums();
            let value = match field {
                Field::Partial => pseudo,
                // RFC 768: 0 is no checksum.
                Field::Right if !self.is_tcp() && all == 0xffff => 0xffff,
                Field::Right => !all,
                Field::Value(value) => value,
            };
            header[checksum..checksum + 2].copy_from_slice(&value.to_be_bytes());
        }
        let mut frame = self.macs.to_vec();
        for [ether_type, tci] in &self.tags {
            frame.extend(ether_type.to_be_bytes());
            frame.extend(tci.to_be_bytes());
        }
        frame.extend(if self.is_v4() {
            [0x08, 0x00]
        } else {
            [0x86, 0xdd]
        });
        let ip = frame.len();
        frame.extend(self.ip_headers(header.len() + self.payload.len()));
        let transport = frame.len();
        frame.extend(header);
        let payload = frame.len();
        frame.extend(&self.payload);
        frame.extend(&self.trailer);
        let at = At {
            ip,
            transport,
            checksum,
            payload,
        };
        (frame, at)
    }

    fn ip_headers(&self, datagram_len: usize) -> Vec<u8> {
        let length = |counted: usize| self.ip_length.unwrap_or((counted + datagram_len) as u16);
        match &self.ip {
            Ip::V4 {
                tos,
                id,
                fragment,
                ttl,
                wrong_by,
                addresses,
                options,
            } => {
                let header_len = 20 + options.len();
                let mut header = vec![0x40 | (header_len / 4) as u8, *tos];
                for field in [length(header_len), *id, *fragment] {
                    header.extend(field.to_be_bytes());
                }
                header.extend([*ttl, self.protocol(), 0, 0]);
                header.extend(addresses);
                header.extend(options);
                let checksum = !fold(sum(&header)) ^ wrong_by;
                header[10..12].copy_from_slice(&checksum.to_be_bytes());
                header
            }
            Ip::V6 {
                flow,
                hop_limit,
                addresses,
                extensions,
            } => {
                let mut numbers: Vec<u8> = extensions.iter().map(|(number, _)| *number).collect();
                numbers.push(self.protocol());
                let extension_len: usize = extensions.iter().map(|(_, bytes)| bytes.len()).sum();
                let mut header = (0x6000_0000 | (flow & 0x0fff_ffff)).to_be_bytes().to_vec();
                header.extend(length(extension_len).to_be_bytes());
                header.extend([numbers[0], *hop_limit]);
                header.extend(addresses);
                for ((_, bytes), next) in extensions.iter().zip(&numbers[1..]) {
                    header.push(*next);
                    header.extend(&bytes[1..]);
                }
                header
            }
        }
    }
}
