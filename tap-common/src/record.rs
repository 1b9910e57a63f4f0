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
    /// `skb->len` in bytes, link-layer header included.
    pub skb_len: u32,
    /// Bytes of packet in this record.
    pub captured_len: u32,
    /// `skb_shinfo(skb)->gso_size`: payload bytes of each wire packet in a
    /// super-frame; 0 for an ordinary packet.
    pub gso_size: u32,
    /// `skb_shinfo(skb)->gso_segs`. A hint: senders from user space may leave
    /// it 0 or wrong.
    pub gso_segs: u32,
    /// `skb_shinfo(skb)->gso_type` as this kernel numbers it; meaningless
    /// without [`Known::GSO_TYPE`].
    pub gso_type: u32,
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
    /// Where the sum of a partial checksum begins: `skb_checksum_start_offset`,
    /// in bytes from the packet's first. Meaningless without
    /// [`Known::OFFSETS`], and unless `ip_summed` is [`CHECKSUM_PARTIAL`].
    pub csum_start: u16,
    /// `skb->csum_offset`: the checksum field, in bytes from `csum_start`.
    pub csum_offset: u16,
    /// `skb_inner_network_offset` in bytes from the packet's first, if
    /// `skb->encapsulation` is set; else 0. Meaningless without
    /// [`Known::OFFSETS`].
    pub inner_network_at: u16,
    /// `skb->ip_summed`; meaningless without [`Known::IP_SUMMED`].
    pub ip_summed: u8,
    /// Which of the fields above the kernel programs could ask for: [`Known`].
    pub known: u8,
    /// [`crate::TargetConfig::link_layer`].
    pub link_layer: u8,
    /// Zero.
    pub padding: [u8; 7],
    /// [`crate::ABI_VERSION`].
    pub version: u32,
}

const _: () = assert!(size_of::<RecordHeader>() == 64);
const _: () = assert!(offset_of!(RecordHeader, timestamp_ns) == 0);
const _: () = assert!(offset_of!(RecordHeader, target_id) == 8);
const _: () = assert!(offset_of!(RecordHeader, skb_len) == 12);
const _: () = assert!(offset_of!(RecordHeader, captured_len) == 16);
const _: () = assert!(offset_of!(RecordHeader, gso_size) == 20);
const _: () = assert!(offset_of!(RecordHeader, gso_segs) == 24);
const _: () = assert!(offset_of!(RecordHeader, gso_type) == 28);
const _: () = assert!(offset_of!(RecordHeader, hash) == 32);
const _: () = assert!(offset_of!(RecordHeader, protocol) == 36);
const _: () = assert!(offset_of!(RecordHeader, vlan_proto) == 38);
const _: () = assert!(offset_of!(RecordHeader, vlan_tci) == 40);
const _: () = assert!(offset_of!(RecordHeader, vlan_present) == 42);
const _: () = assert!(offset_of!(RecordHeader, direction) == 43);
const _: () = assert!(offset_of!(RecordHeader, csum_start) == 44);
const _: () = assert!(offset_of!(RecordHeader, csum_offset) == 46);
const _: () = assert!(offset_of!(RecordHeader, inner_network_at) == 48);
const _: () = assert!(offset_of!(RecordHeader, ip_summed) == 50);
const _: () = assert!(offset_of!(RecordHeader, known) == 51);
const _: () = assert!(offset_of!(RecordHeader, link_layer) == 52);
const _: () = assert!(offset_of!(RecordHeader, padding) == 53);
const _: () = assert!(offset_of!(RecordHeader, version) == 60);

/// Which fields of a [`RecordHeader`] hold what the kernel said: bits of
/// [`RecordHeader::known`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known;

impl Known {
    /// `ip_summed`.
    pub const IP_SUMMED: u8 = 1;
    /// `csum_start`, `csum_offset` and `inner_network_at`.
    pub const OFFSETS: u8 = 2;
    /// `gso_type`.
    pub const GSO_TYPE: u8 = 4;
}

/// `CHECKSUM_UNNECESSARY` of include/linux/skbuff.h.
pub const CHECKSUM_UNNECESSARY: u8 = 1;
/// `CHECKSUM_COMPLETE`.
pub const CHECKSUM_COMPLETE: u8 = 2;
/// `CHECKSUM_PARTIAL`.
pub const CHECKSUM_PARTIAL: u8 = 3;

impl RecordHeader {
    /// Size of the header in the ring, in bytes.
    pub const SIZE_BYTES: usize = size_of::<Self>();
}

/// Packet bytes that each class of reservation holds, ascending. The verifier
/// wants the size of a reservation to be a constant, so a packet takes the
/// first class that it fits. The third is a full Ethernet frame of MTU 1500
/// with a VLAN tag. The seventh is the largest skb without BIG TCP: 65,535
/// bytes of IP and two link-layer headers, rounded up to 8; the last the
/// largest with it: `GSO_MAX_SIZE` of include/linux/netdevice.h, 8 times
/// 65,535, and headers. Those in between halve what a reservation wastes.
pub const RECORD_CLASSES_BYTES: [usize; 10] = [
    128, 512, 1520, 4096, 9240, 32_768, 65_568, 131_104, 262_176, 524_352,
];

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
