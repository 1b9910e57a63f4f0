//! What the kernel side puts in the ring for one skb: a header and the skb's
//! bytes.

use core::mem::{offset_of, size_of};

/// Header of a record. `captured_len` bytes of packet follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RecordHeader {
    /// When the program saw the skb: `bpf_ktime_get_ns`, which is
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub timestamp_ns: u64,
    /// [`crate::TargetConfig::target_id`].
    pub target_id: u32,
    /// `skb->len` in bytes, Ethernet header included.
    pub skb_len: u32,
    /// Bytes of packet in this record.
    pub captured_len: u32,
    /// `skb_shinfo(skb)->gso_size`: payload bytes of each wire packet in a
    /// super-frame; 0 for an ordinary packet.
    pub gso_size: u32,
    /// `skb_shinfo(skb)->gso_segs`. A hint: senders from user space may leave
    /// it 0 or wrong.
    pub gso_segs: u32,
    /// `skb->hash`; not symmetric, 0 where the kernel has not computed it.
    pub hash: u32,
    /// `skb->protocol`, an EtherType in host byte order.
    pub protocol: u16,
    /// EtherType of the VLAN tag that the kernel took out of band, in host
    /// byte order; meaningless unless `vlan_present`.
    pub vlan_proto: u16,
    /// The tag itself, which may be 0: ask `vlan_present`.
    pub vlan_tci: u16,
    /// 1 if a VLAN tag sits beside the packet instead of in it.
    pub vlan_present: u8,
    /// [`crate::Direction`].
    pub direction: u8,
    /// [`crate::ABI_VERSION`].
    pub version: u32,
    /// Zero.
    pub padding: u32,
}

const _: () = assert!(size_of::<RecordHeader>() == 48);
const _: () = assert!(offset_of!(RecordHeader, timestamp_ns) == 0);
const _: () = assert!(offset_of!(RecordHeader, target_id) == 8);
const _: () = assert!(offset_of!(RecordHeader, skb_len) == 12);
const _: () = assert!(offset_of!(RecordHeader, captured_len) == 16);
const _: () = assert!(offset_of!(RecordHeader, gso_size) == 20);
const _: () = assert!(offset_of!(RecordHeader, gso_segs) == 24);
const _: () = assert!(offset_of!(RecordHeader, hash) == 28);
const _: () = assert!(offset_of!(RecordHeader, protocol) == 32);
const _: () = assert!(offset_of!(RecordHeader, vlan_proto) == 34);
const _: () = assert!(offset_of!(RecordHeader, vlan_tci) == 36);
const _: () = assert!(offset_of!(RecordHeader, vlan_present) == 38);
const _: () = assert!(offset_of!(RecordHeader, direction) == 39);
const _: () = assert!(offset_of!(RecordHeader, version) == 40);
const _: () = assert!(offset_of!(RecordHeader, padding) == 44);

impl RecordHeader {
    /// Size of the header in the ring, in bytes.
    pub const SIZE_BYTES: usize = size_of::<Self>();
}

/// Packet bytes that each class of reservation holds, ascending. The verifier
/// wants the size of a reservation to be a constant, so a packet takes the
/// first class that it fits. The third is a full Ethernet frame of MTU 1500
/// with a VLAN tag; the last is the largest skb without BIG TCP, 65,535 bytes
/// of IP and two link-layer headers, rounded up to 8.
pub const RECORD_CLASSES_BYTES: [usize; 7] = [128, 512, 1520, 4096, 9240, 32_768, 65_568];

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler: an index out of bounds is a build error"
)]
const _: () = {
    let classes = RECORD_CLASSES_BYTES;
    let mut index = 0;
    while index < classes.len() {
        assert!(classes[index].is_multiple_of(8));
        assert!(index == 0 || classes[index - 1] < classes[index]);
        index += 1;
    }
};
