//! Tunnels around packets, built without the engine.

use proptest::prelude::*;
use tap_userspace::engine::offload::GsoType;

use super::{fold, plain_sum};

/// What is between the outer IP header and what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// RFC 7348, to this port.
    Vxlan { port: u16, checksum: bool },
    /// RFC 8926, with an option of eight bytes; a frame or a packet inside.
    Geneve { checksum: bool, bridged: bool },
    /// RFC 2784 and 2890.
    Gre {
        checksum: bool,
        key: bool,
        bridged: bool,
    },
    /// IP in IP.
    Ip,
    /// A header of an odd length over UDP, with a checksum.
    Odd,
}

/// What the checksum of a shell holds, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShellSum {
    /// What the kernel leaves in a super-frame.
    Unfinished,
    Valid,
}

#[derive(Clone, Copy, Debug)]
pub struct Outer {
    pub v6: bool,
    pub shell: Shell,
    pub id: u16,
}

pub const OUTER_SOURCE: [u8; 16] = *b"\xc0\x00\x02\x01outer-source";
pub const OUTER_DESTINATION: [u8; 16] = *b"\xc0\x00\x02\x02outer-destin";

impl Shell {
    fn is_udp(self) -> bool {
        matches!(self, Self::Vxlan { .. } | Self::Geneve { .. } | Self::Odd)
    }

    pub fn has_checksum(self) -> bool {
        match self {
            Self::Vxlan { checksum, .. }
            | Self::Geneve { checksum, .. }
            | Self::Gre { checksum, .. } => checksum,
            Self::Ip => false,
            Self::Odd => true,
        }
    }

    /// Whether MAC addresses are inside.
    pub fn has_frame(self) -> bool {
        match self {
            Self::Vxlan { .. } => true,
            Self::Geneve { bridged, .. } | Self::Gre { bridged, .. } => bridged,
            Self::Ip | Self::Odd => false,
        }
    }

    /// What the kernel calls it.
    pub fn gso_type(self, outer_v6: bool) -> GsoType {
        match self {
            Self::Vxlan { checksum, .. } | Self::Geneve { checksum, .. } if checksum => {
                GsoType::UDP_TUNNEL_CSUM
            }
            Self::Vxlan { .. } | Self::Geneve { .. } => GsoType::UDP_TUNNEL,
            Self::Odd => GsoType::UDP_TUNNEL_CSUM,
            Self::Gre { checksum: true, .. } => GsoType::GRE_CSUM,
            Self::Gre { .. } => GsoType::GRE,
            Self::Ip if outer_v6 => GsoType::IPXIP6,
            Self::Ip => GsoType::IPXIP4,
        }
    }

    fn header(self, ethertype: [u8; 2]) -> Vec<u8> {
        let inside = if self.has_frame() {
            [0x65, 0x58]
        } else {
            ethertype
        };
        match self {
            Self::Vxlan { .. } => vec![8, 0, 0, 0, 0x12, 0x34, 0x56, 0],
            Self::Geneve { .. } => {
                let start = [0x02, 0, inside[0], inside[1], 0x65, 0x43, 0x21, 0];
                [&start[..], &[1, 2, 3, 1, 9, 8, 7, 6]].concat()
            }
            Self::Gre { checksum, key, .. } => {
                let flags = u8::from(checksum) << 7 | u8::from(key) << 5;
                let mut header = vec![flags, 0, inside[0], inside[1]];
                header.extend([0; 4].iter().filter(|_| checksum));
                header.extend([0xde, 0xad, 0xbe, 0xef].iter().filter(|_| key));
                header
            }
            Self::Ip => Vec::new(),
            Self::Odd => vec![1, 2, 3, 4, 5],
        }
    }
}

impl Outer {
    /// The outer frame around `inner`, a frame without tags. Returns also
    /// where its inner IP header is.
    pub fn wrap(&self, inner: &[u8], sum: ShellSum) -> (Vec<u8>, usize) {
        let ethertype = [inner[12], inner[13]];
        let inside = if self.shell.has_frame() {
            inner
        } else {
            &inner[14..]
        };
        let inner_protocol = if ethertype == [0x08, 0] { 4 } else { 41 };
        let (protocol, port) = match self.shell {
            Shell::Vxlan { port, .. } => (17, port),
            Shell::Geneve { .. } => (17, 6081),
            Shell::Odd => (17, 999),
            Shell::Gre { .. } => (47, 0),
            Shell::Ip => (inner_protocol, 0),
        };
        let mut header = self.shell.header(ethertype);
        if self.shell.is_udp() {
            let length = u16::try_from(8 + header.len() + inside.len()).unwrap_or(0);
            let mut udp = [0xc0, 0x01].to_vec();
            udp.extend(port.to_be_bytes());
            udp.extend(length.to_be_bytes());
            udp.extend([0, 0]);
            udp.extend(header);
            header = udp;
        }
        let body_len = header.len() + inside.len();
        if self.shell.has_checksum() {
            let (at, pseudo) = if self.shell.is_udp() {
                (6, self.pseudo(body_len))
            } else {
                (4, 0)
            };
            let body = [&header[..], inside].concat();
            let value = match sum {
                ShellSum::Unfinished => fold(pseudo),
                ShellSum::Valid => match !fold(pseudo + plain_sum(&body)) {
                    0 if self.shell.is_udp() => 0xffff,
                    value => value,
                },
            };
            header[at..at + 2].copy_from_slice(&value.to_be_bytes());
        }
        let mut frame = vec![2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 4];
        frame.extend(if self.v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
        frame.extend(self.ip_header(protocol, body_len));
        frame.extend(header);
        let inner_ip = frame.len() + inside.len() - (inner.len() - 14);
        frame.extend(inside);
        (frame, inner_ip)
    }

    fn addresses(&self) -> [Vec<u8>; 2] {
        let bytes = if self.v6 { 16 } else { 4 };
        [&OUTER_SOURCE[..bytes], &OUTER_DESTINATION[..bytes]].map(<[u8]>::to_vec)
    }

    fn pseudo(&self, len: usize) -> u64 {
        plain_sum(&self.addresses().concat()) + 17 + u64::try_from(len).unwrap()
    }

    fn ip_header(&self, protocol: u8, body_len: usize) -> Vec<u8> {
        let addresses = self.addresses().concat();
        let mut header;
        if self.v6 {
            header = vec![0x60, 0, 0, 0];
            header.extend(u16::try_from(body_len).unwrap_or(0).to_be_bytes());
            header.extend([protocol, 63]);
            header.extend(addresses);
        } else {
            header = vec![0x45, 0];
            header.extend(u16::try_from(20 + body_len).unwrap_or(0).to_be_bytes());
            header.extend(self.id.to_be_bytes());
            header.extend([0, 0, 63, protocol, 0, 0]);
            header.extend(addresses);
            let checksum = !fold(plain_sum(&header));
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        header
    }
}

pub fn outers() -> impl Strategy<Value = Outer> {
    let shell = (0..4_u8, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(shell, checksum, key, bridged)| match shell {
            0 => Shell::Vxlan {
                port: if key { 4789 } else { 8472 },
                checksum,
            },
            1 => Shell::Geneve { checksum, bridged },
            2 => Shell::Gre {
                checksum,
                key,
                bridged,
            },
            _ => Shell::Ip,
        },
    );
    (any::<bool>(), shell, any::<u16>()).prop_map(|(v6, shell, id)| Outer { v6, shell, id })
}
