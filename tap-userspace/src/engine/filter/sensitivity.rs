//! Whether a program can be answered from an skb, or only from the frames that
//! are delivered for it.
//!
//! They are not the same: a super-frame is cut into frames with lengths,
//! identifications, sequence numbers, flags and payloads of their own, and a
//! checksum that is partial in the skb is completed. A program whose answer
//! hangs on none of that is answered in the kernel. Of any other, the kernel
//! lets those skbs pass that are not what will be delivered, and the user side
//! asks again for each frame.
//!
//! What is read is known from the way to it: libpcap asks for the EtherType
//! before it reads an IP header, and for the protocol before it reads one of a
//! transport. Where the way does not tell, the worst is taken.

use std::collections::BTreeSet;

use super::{
    instruction::{Operand, Operation, Register, Size, Test},
    program::Program,
};

/// What a program's answer hangs on that an skb does not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sensitivity {
    /// On what cutting a super-frame changes.
    pub cut: bool,
    /// On a checksum that may be partial.
    pub checksum: bool,
}

impl Sensitivity {
    const NONE: Self = Self {
        cut: false,
        checksum: false,
    };
    const CUT: Self = Self {
        cut: true,
        checksum: false,
    };
    const BOTH: Self = Self {
        cut: true,
        checksum: true,
    };

    const fn or(self, other: Self) -> Self {
        Self {
            cut: self.cut || other.cut,
            checksum: self.checksum || other.checksum,
        }
    }
}

/// Ways to one instruction that are told apart; with more, the worst is taken.
const MOST_STATES: usize = 64;

impl Program {
    /// What its answer hangs on, for frames that begin with an Ethernet header.
    #[must_use]
    pub fn sensitivity(&self) -> Sensitivity {
        let operations = self.operations();
        let mut states = vec![BTreeSet::new(); operations.len()];
        if let Some(first) = states.first_mut() {
            first.insert(State::default());
        }
        let mut sensitivity = Sensitivity::NONE;
        for (at, operation) in operations.iter().enumerate() {
            let here = states.get_mut(at).map(std::mem::take).unwrap_or_default();
            if here.len() > MOST_STATES {
                return Sensitivity::BOTH;
            }
            for state in here {
                sensitivity = sensitivity.or(state.reads(operation));
                for (skip, next) in state.after(operation) {
                    if let Some(states) = states.get_mut(at + 1 + skip) {
                        states.insert(next);
                    }
                }
            }
        }
        sensitivity
    }
}

/// What is known on one way to an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    a: Value,
    x: Value,
    /// Where the EtherType is that has not been asked for yet, or was and told
    /// what follows it.
    type_at: u32,
    network: Option<Network>,
    protocol: Option<u8>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            a: Value::Unknown,
            x: Value::Unknown,
            type_at: 12,
            network: None,
            protocol: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Network {
    V4,
    V6,
    /// Never cut, and without a checksum.
    Arp,
}

/// What is known of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Unknown,
    /// The frame's bytes from here on, so many.
    Loaded {
        offset: u32,
        bytes: u32,
    },
    /// The length of the IPv4 header.
    HeaderLength,
}

/// EtherTypes (IEEE 802) and IP protocols (IANA).
const TYPE_V4: u32 = 0x0800;
const TYPE_V6: u32 = 0x86dd;
const TYPES_ARP: [u32; 2] = [0x0806, 0x8035];
const TYPES_VLAN: [u32; 3] = [0x8100, 0x88a8, 0x9100];
const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// Where the protocol is said, behind the beginning of the IP header.
const PROTOCOL_V4: u32 = 9;
const PROTOCOL_V6: u32 = 6;
const HEADER_V6_BYTES: u32 = 40;

impl State {
    fn reads(&self, operation: &Operation) -> Sensitivity {
        match *operation {
            Operation::LoadAbsolute { size, offset } => self.of_bytes(offset, size.bytes()),
            Operation::LoadHeaderLength { offset } => self.of_bytes(offset, 1),
            Operation::LoadIndirect { size, offset } => match (self.x, self.network) {
                (Value::HeaderLength, Some(Network::V4)) => {
                    match offset.checked_sub(self.network_at()) {
                        Some(at) => self.of_transport(at, size.bytes()),
                        None => Sensitivity::BOTH,
                    }
                }
                _ => Sensitivity::BOTH,
            },
            Operation::LoadLength(_) => Sensitivity::CUT,
            _ => Sensitivity::NONE,
        }
    }

    /// Where the header behind the EtherType begins.
    const fn network_at(&self) -> u32 {
        self.type_at + 2
    }

    fn of_bytes(&self, offset: u32, bytes: u32) -> Sensitivity {
        let mut sum = Sensitivity::NONE;
        for at in offset..offset.saturating_add(bytes) {
            sum = sum.or(self.of_byte(at));
        }
        sum
    }

    fn of_byte(&self, at: u32) -> Sensitivity {
        let Some(at) = at.checked_sub(self.network_at()) else {
            return Sensitivity::NONE;
        };
        match (self.network, at) {
            // Total length, identification, header checksum (RFC 791).
            (Some(Network::V4), 2..=5 | 10 | 11) => Sensitivity::CUT,
            (Some(Network::V4), 0..=19) => Sensitivity::NONE,
            // Payload length (RFC 8200).
            (Some(Network::V6), 4 | 5) => Sensitivity::CUT,
            (Some(Network::V6), 0..HEADER_V6_BYTES) => Sensitivity::NONE,
            (Some(Network::V6), _) => self.of_transport(at - HEADER_V6_BYTES, 1),
            (Some(Network::Arp), _) => Sensitivity::NONE,
            // Options of IPv4 and what follows them; or nothing was asked.
            _ => Sensitivity::BOTH,
        }
    }

    /// Bytes behind the IP header; of IPv6, if no extension header is there.
    fn of_transport(&self, offset: u32, bytes: u32) -> Sensitivity {
        let of_byte = |at| match (self.protocol, at) {
            // Ports; a type and code; the beginning of an extension header.
            (_, 0..=3) => Sensitivity::NONE,
            // Acknowledgement, header length, window, urgent pointer
            // (RFC 9293).
            (Some(TCP), 8..=12 | 14 | 15 | 18 | 19) => Sensitivity::NONE,
            (Some(TCP), 16 | 17) => Sensitivity::BOTH,
            (Some(TCP), _) => Sensitivity::CUT,
            // Length; in the rest there may be a tunnel with another checksum.
            (Some(UDP), 4 | 5) => Sensitivity::CUT,
            // Verification tag (RFC 9260).
            (Some(SCTP), 4..=7) => Sensitivity::NONE,
            (Some(SCTP), 12..) => Sensitivity::CUT,
            _ => Sensitivity::BOTH,
        };
        (offset..offset.saturating_add(bytes))
            .map(of_byte)
            .fold(Sensitivity::NONE, Sensitivity::or)
    }

    /// The instructions that may come next, as numbers to skip, and what is
    /// known there.
    fn after(self, operation: &Operation) -> Vec<(usize, Self)> {
        let next = match *operation {
            Operation::LoadAbsolute { size, offset } => self.with_a(Value::Loaded {
                offset,
                bytes: size.bytes(),
            }),
            Operation::LoadHeaderLength { offset } => self.with_x(
                if offset == self.network_at() && self.network == Some(Network::V4) {
                    Value::HeaderLength
                } else {
                    Value::Unknown
                },
            ),
            Operation::LoadIndirect { .. }
            | Operation::Arithmetic(..)
            | Operation::Negate
            | Operation::LoadLength(Register::A)
            | Operation::LoadConstant(Register::A, _)
            | Operation::LoadScratch(Register::A, _) => self.with_a(Value::Unknown),
            Operation::LoadLength(Register::X)
            | Operation::LoadConstant(Register::X, _)
            | Operation::LoadScratch(Register::X, _) => self.with_x(Value::Unknown),
            Operation::AToX => self.with_x(self.a),
            Operation::XToA => self.with_a(self.x),
            Operation::Store(..) => self,
            Operation::Return(_) => return Vec::new(),
            Operation::Jump(skip) => return vec![(skip as usize, self)],
            Operation::Branch {
                test,
                operand,
                then,
                otherwise,
            } => {
                let known = match (test, operand) {
                    (Test::Equal, Operand::Constant(k)) => self.equal(k),
                    _ => self,
                };
                return vec![(then.into(), known), (otherwise.into(), self)];
            }
        };
        vec![(0, next)]
    }

    fn with_a(self, a: Value) -> Self {
        Self { a, ..self }
    }

    fn with_x(self, x: Value) -> Self {
        Self { x, ..self }
    }

    /// The accumulator was found to be this.
    fn equal(self, k: u32) -> Self {
        let Value::Loaded { offset, bytes } = self.a else {
            return self;
        };
        let network_at = self.network_at();
        let is_type = offset == self.type_at && bytes == Size::Half.bytes();
        let is_protocol = bytes == Size::Byte.bytes()
            && match self.network {
                Some(Network::V4) => offset == network_at + PROTOCOL_V4,
                Some(Network::V6) => offset == network_at + PROTOCOL_V6,
                Some(Network::Arp) | None => false,
            };
        match (k, u8::try_from(k)) {
            (TYPE_V4, _) if is_type => Self {
                network: Some(Network::V4),
                ..self
            },
            (TYPE_V6, _) if is_type => Self {
                network: Some(Network::V6),
                ..self
            },
            _ if is_type && TYPES_ARP.contains(&k) => Self {
                network: Some(Network::Arp),
                ..self
            },
            _ if is_type && TYPES_VLAN.contains(&k) => Self {
                type_at: self.type_at + 4,
                ..self
            },
            (_, Ok(protocol)) if is_protocol => Self {
                protocol: Some(protocol),
                ..self
            },
            _ => self,
        }
    }
}
