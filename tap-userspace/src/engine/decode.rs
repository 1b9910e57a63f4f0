//! Takes a record apart, as it came out of the ring.

use bytes::Buf;
use tap_common::{ABI_VERSION, CHECKSUM_PARTIAL, Direction, Known, LinkLayer, RecordHeader};

use super::offload::{GsoType, GsoTypes, SkbChecksum};
use crate::model::TargetId;

/// One skb as the kernel side recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When the kernel saw it: `CLOCK_MONOTONIC`, nanoseconds.
    pub timestamp_ns: u64,
    /// The target whose interface carried it.
    pub target_id: TargetId,
    /// From the pod's point of view.
    pub direction: Direction,
    /// What the packet begins with.
    pub link_layer: LinkLayer,
    /// `skb->len` in bytes, link-layer header included.
    pub skb_len: u32,
    /// Payload bytes of each wire packet in a super-frame; 0 if it is none.
    pub gso_size: u32,
    /// How it is to be cut, where the kernel could be asked.
    pub gso_type: Option<GsoType>,
    /// What the sk_buff says of its checksum.
    pub checksum: SkbChecksum,
    /// Where the IP header inside a tunnel begins, in bytes from the start of
    /// `data`, as the kernel gave it: where it could be asked, and the packet
    /// is marked as encapsulated.
    pub inner_network_at: Option<usize>,
    /// The tag that the kernel took out of the frame: its EtherType and TCI.
    pub vlan: Option<VlanTag>,
    /// `skb->protocol`, an EtherType.
    pub protocol: u16,
    /// The packet from its link-layer header on, as it lay in the skb.
    pub data: &'a [u8],
}

/// An IEEE 802.1Q tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// EtherType of the tag: 0x8100, or 0x88a8 for a service tag.
    pub proto: u16,
    /// Priority (3 bits), drop eligible (1 bit), VLAN identifier (12 bits).
    pub tci: u16,
}

/// Why bytes from the ring are no record. Counted by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not even a header.
    #[error("a record of {0} bytes is shorter than its header")]
    HeaderShort(usize),
    /// Another version of the kernel programs wrote it.
    #[error("a record of ABI version {0}, this binary reads {ABI_VERSION}")]
    Version(u32),
    /// A direction that there is not.
    #[error("a record with direction {0}")]
    Direction(u8),
    /// A link layer that there is not.
    #[error("a record with link layer {0}")]
    LinkLayer(u8),
    /// It promises more packet than it has.
    #[error("a record that promises {promised} bytes of packet and has {present}")]
    DataShort {
        /// `captured_len`.
        promised: u32,
        /// Bytes after the header.
        present: usize,
    },
}

/// Takes one record apart. Bytes after the captured ones are the rest of its
/// reservation and are left alone. `gso_types` says what the running kernel's
/// numbers mean.
///
/// # Errors
/// When the bytes are no record of this ABI version.
pub fn decode<'a>(bytes: &'a [u8], gso_types: &GsoTypes) -> Result<Record<'a>, DecodeError> {
    let (header, rest) = bytes
        .split_at_checked(RecordHeader::SIZE_BYTES)
        .ok_or(DecodeError::HeaderShort(bytes.len()))?;
    let header = read_header(header);
    if header.version != ABI_VERSION {
        return Err(DecodeError::Version(header.version));
    }
    let direction =
        Direction::from_u8(header.direction).ok_or(DecodeError::Direction(header.direction))?;
    let link_layer =
        LinkLayer::from_u8(header.link_layer).ok_or(DecodeError::LinkLayer(header.link_layer))?;
    let data = usize::try_from(header.captured_len)
        .ok()
        .and_then(|captured| rest.get(..captured))
        .ok_or(DecodeError::DataShort {
            promised: header.captured_len,
            present: rest.len(),
        })?;
    Ok(Record {
        timestamp_ns: header.timestamp_ns,
        target_id: TargetId(header.target_id),
        direction,
        link_layer,
        skb_len: header.skb_len,
        gso_size: header.gso_size,
        gso_type: (header.known & Known::GSO_TYPE != 0).then(|| gso_types.read(header.gso_type)),
        checksum: checksum(&header),
        inner_network_at: (header.known & Known::OFFSETS != 0 && header.inner_network_at != 0)
            .then_some(header.inner_network_at.into()),
        vlan: (header.vlan_present != 0).then_some(VlanTag {
            proto: header.vlan_proto,
            tci: header.vlan_tci,
        }),
        protocol: header.protocol,
        data,
    })
}

/// Partial without offsets is as good as unknown.
fn checksum(header: &RecordHeader) -> SkbChecksum {
    let knows = |bit| header.known & bit != 0;
    match header.ip_summed {
        _ if !knows(Known::IP_SUMMED) => SkbChecksum::Unknown,
        CHECKSUM_PARTIAL if !knows(Known::OFFSETS) => SkbChecksum::Unknown,
        CHECKSUM_PARTIAL => SkbChecksum::Partial {
            start: header.csum_start.into(),
            field: usize::from(header.csum_start) + usize::from(header.csum_offset),
        },
        _ => SkbChecksum::Final,
    }
}

/// Reads the fields in the order in which [`RecordHeader`] lays them out. The
/// caller has checked that all of them are there.
fn read_header(mut bytes: &[u8]) -> RecordHeader {
    RecordHeader {
        timestamp_ns: bytes.get_u64_ne(),
        target_id: bytes.get_u32_ne(),
        skb_len: bytes.get_u32_ne(),
        captured_len: bytes.get_u32_ne(),
        gso_size: bytes.get_u32_ne(),
        gso_segs: bytes.get_u32_ne(),
        gso_type: bytes.get_u32_ne(),
        hash: bytes.get_u32_ne(),
        protocol: bytes.get_u16_ne(),
        vlan_proto: bytes.get_u16_ne(),
        vlan_tci: bytes.get_u16_ne(),
        vlan_present: bytes.get_u8(),
        direction: bytes.get_u8(),
        csum_start: bytes.get_u16_ne(),
        csum_offset: bytes.get_u16_ne(),
        inner_network_at: bytes.get_u16_ne(),
        ip_summed: bytes.get_u8(),
        known: bytes.get_u8(),
        link_layer: bytes.get_u8(),
        padding: std::array::from_fn(|_| bytes.get_u8()),
        version: bytes.get_u32_ne(),
    }
}
