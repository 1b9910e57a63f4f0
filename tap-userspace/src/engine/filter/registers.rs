//! What a translated filter keeps where, and where it finds the skb's own.

use super::{ebpf::R, instruction::Slot};

/// The skb; `A`, which is also the answer: 0 is no match; `X`; and what the skb
/// keeps beside itself.
pub(super) const SKB: R = R::R6;
pub(super) const A: R = R::R7;
pub(super) const X: R = R::R8;
pub(super) const BESIDE: R = R::R9;

/// Below the stack's end: where a load puts its bytes, then the scratch memory.
pub(super) const BUFFER: i16 = -8;
pub(super) const SCRATCH: i16 = BUFFER - 4 * Slot::COUNT as i16;

/// Offsets in `struct __sk_buff` (include/uapi/linux/bpf.h).
pub(super) mod skb {
    pub(in super::super) const LEN: i16 = 0;
    pub(in super::super) const PROTOCOL: i16 = 16;
    pub(in super::super) const VLAN_PRESENT: i16 = 20;
    pub(in super::super) const VLAN_TCI: i16 = 24;
    pub(in super::super) const VLAN_PROTO: i16 = 28;
    pub(in super::super) const DATA: i16 = 76;
    pub(in super::super) const DATA_END: i16 = 80;
}
