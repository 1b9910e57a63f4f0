//! How the bytes of a frame lie in its skb, and how those come about that it
//! lacks.

use super::{
    ebpf::{Alu, Bits, Ebpf, R, Width},
    registers::{BESIDE, SKB, skb},
};
use crate::engine::headers::{ETHERNET_BYTES, VLAN_TAG_BYTES};

/// How the frame's bytes lie in the skb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// As they are.
    AsIs,
    /// A tag behind the addresses is not in it.
    Tagged,
    /// Its first header is not in it.
    MadeUp([u8; 12]),
}

/// A byte that the skb lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MadeUp {
    Constant(u8),
    /// Of what is beside the skb, so many bits from the right.
    Beside(i32),
}

/// Where the EtherType, or a tag, begins.
const TYPE_AT: u32 = 12;
const HEADER_BYTES: u32 = 14;
const TAG_BYTES: u32 = 4;

const _: () = assert!(HEADER_BYTES as usize == ETHERNET_BYTES);
const _: () = assert!(TAG_BYTES as usize == VLAN_TAG_BYTES);

impl Layout {
    /// Offsets of the bytes that the skb lacks: from here, and before there.
    pub(super) const fn lacking(self) -> (u32, u32) {
        match self {
            Self::AsIs => (0, 0),
            Self::Tagged => (TYPE_AT, TYPE_AT + TAG_BYTES),
            Self::MadeUp(_) => (0, HEADER_BYTES),
        }
    }

    /// How many these are.
    pub(super) const fn lacking_bytes(self) -> u32 {
        let (from, before) = self.lacking();
        before - from
    }

    /// The byte at this offset, where the skb lacks it.
    pub(super) fn made_up(self, offset: u32) -> Option<MadeUp> {
        let (from, before) = self.lacking();
        if !(from..before).contains(&offset) {
            return None;
        }
        let from_right = |last: u32| MadeUp::Beside(8 * (last - offset).cast_signed());
        Some(match self {
            Self::AsIs => return None,
            Self::Tagged => from_right(before - 1),
            Self::MadeUp(addresses) => match addresses.get(offset as usize) {
                Some(byte) => MadeUp::Constant(*byte),
                None => from_right(before - 1),
            },
        })
    }

    /// Where a byte of the frame is in the skb, if it is there.
    pub(super) fn in_skb(self, offset: u32) -> Option<u32> {
        let (from, before) = self.lacking();
        if offset < from {
            return Some(offset);
        }
        (offset >= before).then(|| offset - self.lacking_bytes())
    }
}

/// The tag as the wire has it: its EtherType in the upper half, its TCI in the
/// lower one. `vlan_proto` is in network byte order, `vlan_tci` is not.
pub(super) const TAG_INTO_BESIDE: [Ebpf; 5] = [
    Ebpf::load(Width::W, BESIDE, SKB, skb::VLAN_PROTO),
    Ebpf::to_big_endian(BESIDE, 16),
    Ebpf::alu(Bits::B64, Alu::Lsh, BESIDE, 16),
    Ebpf::load(Width::W, R::R1, SKB, skb::VLAN_TCI),
    Ebpf::alu_register(Bits::B64, Alu::Or, BESIDE, R::R1),
];

/// `protocol` is in network byte order.
pub(super) const TYPE_INTO_BESIDE: [Ebpf; 2] = [
    Ebpf::load(Width::W, BESIDE, SKB, skb::PROTOCOL),
    Ebpf::to_big_endian(BESIDE, 16),
];
