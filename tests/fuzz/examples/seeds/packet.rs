//! Packets.

use bytes::BufMut as _;

pub const ETHERNET_BYTES: usize = 14;
/// Offset of the checksum field.
pub const TCP_CHECKSUM: usize = 16;
pub const UDP_CHECKSUM: usize = 6;

/// A TCP or UDP packet from one made-up host to another.
#[derive(Clone, Debug)]
pub struct Packet {
    pub tcp: bool,
    pub v6: bool,
    /// Tags in the frame, EtherType and TCI.
    pub tags: Vec<(u16, u16)>,
    /// IPv6 extension headers, each with the number of its kind.
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub destination_port: u16,
    pub payload: Vec<u8>,
}

impl Packet {
    pub fn new(tcp: bool, v6: bool, payload_len: usize) -> Self {
        Self {
            tcp,
            v6,
            tags: Vec::new(),
            extensions: Vec::new(),
            destination_port: 7_777,
            payload: (0..payload_len).map(|at| (at / 16) as u8).collect(),
        }
    }

    pub fn ip_at(&self) -> usize {
        14 + 4 * self.tags.len()
    }

    pub fn transport_at(&self) -> usize {
        let extensions: usize = self.extensions.iter().map(|(_, header)| header.len()).sum();
        self.ip_at() + if self.v6 { 40 + extensions } else { 20 }
    }

    /// The frame, its checksum valid or as `CHECKSUM_PARTIAL` leaves it. A
    /// length that no field can hold is 0, as BIG TCP has it.
    pub fn build(&self, partial: bool) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for (proto, tci) in &self.tags {
            frame.put_u16(*proto);
            frame.put_u16(*tci);
        }
        let number = if self.tcp { 6 } else { 17 };
        let transport = self.transport();
        let pseudo = transport.len() as u64 + u64::from(number);
        let addresses = if self.v6 {
            frame.put_u16(0x86dd);
            let numbers: Vec<_> = self.extensions.iter().map(|(number, _)| *number).collect();
            let following = numbers.iter().skip(1).copied().chain([number]);
            let mut extensions = Vec::new();
            for ((_, header), next) in self.extensions.iter().zip(following) {
                extensions.put_u8(next);
                extensions.extend_from_slice(&header[1..]);
            }
            frame.put_u32(0x6000_0000);
            frame.put_u16(u16::try_from(extensions.len() + transport.len()).unwrap_or(0));
            frame.put_u8(numbers.first().copied().unwrap_or(number));
            frame.put_u8(64);
            let addresses = [[0xfd; 16], [0xfc; 16]].concat();
            frame.extend_from_slice(&addresses);
            frame.extend_from_slice(&extensions);
            addresses
        } else {
            frame.put_u16(0x0800);
            let mut header = vec![0x45, 0];
            header.put_u16(u16::try_from(20 + transport.len()).unwrap_or(0));
            header.extend_from_slice(&[0x12, 0x34, 0x40, 0, 64, number, 0, 0]);
            let addresses = vec![10, 99, 0, 1, 10, 99, 0, 2];
            header.extend_from_slice(&addresses);
            let checksum = !folded(&header, 0);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            frame.extend_from_slice(&header);
            addresses
        };
        let at = frame.len();
        frame.extend_from_slice(&transport);
        let field = at + if self.tcp { TCP_CHECKSUM } else { UDP_CHECKSUM };
        let pseudo = u64::from(folded(&addresses, pseudo));
        let checksum = if partial {
            pseudo as u16
        } else {
            !folded(&frame[at..], pseudo)
        };
        frame[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
        frame
    }

    /// From the transport header on, the checksum 0.
    pub fn transport(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_u16(40_000);
        bytes.put_u16(self.destination_port);
        if self.tcp {
            bytes.put_u32(0xffff_ff00);
            bytes.put_u32(0x0a0b_0c0d);
            // Eight words, CWR, ACK, PSH and FIN.
            bytes.put_u16(8 << 12 | 0x99);
            bytes.put_u16(512);
            bytes.put_u32(0);
            // Two no-operations and a timestamp.
            bytes.extend_from_slice(&[1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 6]);
        } else {
            bytes.put_u16(u16::try_from(8 + self.payload.len()).unwrap_or(0));
            bytes.put_u16(0);
        }
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

/// RFC 1071 section 4.1, not inverted.
pub fn folded(bytes: &[u8], start: u64) -> u16 {
    let mut sum = start;
    for word in bytes.chunks(2) {
        let low = word.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_be_bytes([word[0], low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
