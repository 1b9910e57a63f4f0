//! One packet, part by part, and the bytes that it is.
//!
//! Built without the engine: what it gets wrong must not be wrong here too.

use crate::sum::{fold, sum};

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const FIN: u16 = 0x01;
pub(crate) const PSH: u16 = 0x08;

/// An Ethernet frame with an IP packet in it.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) macs: [u8; 12],
    /// Tags in the frame: EtherType and TCI.
    pub(crate) tags: Vec<[u16; 2]>,
    pub(crate) ip: Ip,
    pub(crate) transport: Transport,
    pub(crate) payload: Vec<u8>,
    /// Bytes behind the IP packet.
    pub(crate) trailer: Vec<u8>,
    /// What the IP header says of its length, instead of the truth.
    pub(crate) ip_length: Option<u16>,
    /// What the sender took for the pseudo-header, if it is not the
    /// destination in the IP header.
    pub(crate) final_destination: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Ip {
    V4 {
        tos: u8,
        id: u16,
        /// Flags and fragment offset.
        fragment: u16,
        ttl: u8,
        /// What the checksum is wrong by.
        wrong_by: u16,
        addresses: Vec<u8>,
        options: Vec<u8>,
    },
    V6 {
        /// Traffic class and flow label.
        flow: u32,
        hop_limit: u8,
        addresses: Vec<u8>,
        /// Extension headers: number, and bytes with room for the next one's.
        extensions: Vec<(u8, Vec<u8>)>,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Tcp {
        ports: u32,
        sequence: u32,
        acknowledged: u32,
        /// The lower twelve bits: reserved ones and flags.
        flags: u16,
        window: u16,
        urgent: u16,
        options: Vec<u8>,
    },
    Udp {
        ports: u32,
        /// What the header says of its length, instead of the truth.
        length: Option<u16>,
    },
    /// Anything else: its number in the registry. All of it is payload.
    Other(u8),
}

/// What the transport checksum field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The folded pseudo-header sum, not inverted: `CHECKSUM_PARTIAL`.
    Partial,
    /// What makes the packet valid.
    Right,
    /// Just this.
    Value(u16),
}

/// Where the parts of a built frame begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) ip: usize,
    pub(crate) transport: usize,
    /// Offset of the checksum in the transport header.
    pub(crate) checksum: usize,
    pub(crate) payload: usize,
}

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
