//! Records out of a fuzzer's bytes: the one place that knows their layout.
//!
//! An input begins with the header's fields at offsets of its own, which stay
//! when the record's layout changes: the corpus stays good. The packet
//! follows.
//!
//! | bytes | little-endian |
//! |---|---|
//! | 0..4 | `gso_size` |
//! | 4..8 | `gso_type` |
//! | 8..10 | `vlan_proto` |
//! | 10..12 | `vlan_tci` |
//! | 12 | `vlan_present` |
//! | 13 | `direction` |
//! | 14..16 | `csum_start` |
//! | 16..18 | `csum_offset` |
//! | 18..20 | offset of an inner network header |
//! | 20 | `ip_summed` |
//! | 21 | which fields are known |
//! | 22 | link layer |
//! | 23 | how to cut: [`segment`] |
//! | 24..26 | `protocol` |
//! | 26..28 | 0 |
//! | 28..32 | by how much `skb_len` exceeds the captured bytes; may wrap |
//!
//! Those that a record does not have yet are left alone.

use bytes::{Buf as _, BufMut as _};
use tap_common::{ABI_VERSION, RecordHeader};

use crate::{
    engine::{
        decode::{DecodeError, Record, decode},
        offload::{GsoType, GsoTypes},
    },
    model::Segment,
};

/// Bytes of an input before its packet.
pub const SHAPE_BYTES: usize = 32;
/// Offset in them of how to cut.
const SEGMENT: usize = 23;

/// The bytes of a record, as they would come out of the ring; `None` for an
/// input without a whole shape.
#[must_use]
pub fn from_input(input: &[u8]) -> Option<Vec<u8>> {
    let (shape, packet) = input.split_at_checked(SHAPE_BYTES)?;
    let u16_at = |at: usize| (&shape[at..]).get_u16_le();
    let u32_at = |at: usize| (&shape[at..]).get_u32_le();
    let captured_len = u32::try_from(packet.len()).ok()?;
    let header = RecordHeader {
        timestamp_ns: 1,
        target_id: 1,
        skb_len: captured_len.wrapping_add(u32_at(28)),
        captured_len,
        gso_size: u32_at(0),
        gso_segs: 0,
        gso_type: u32_at(4),
        hash: 0,
        protocol: u16_at(24),
        vlan_proto: u16_at(8),
        vlan_tci: u16_at(10),
        vlan_present: shape[12],
        direction: shape[13] % 2,
        csum_start: u16_at(14),
        csum_offset: u16_at(16),
        inner_network_at: u16_at(18),
        ip_summed: shape[20],
        known: shape[21],
        link_layer: shape[22] % 2,
        padding: [0; 7],
        version: ABI_VERSION,
    };
    let mut record = to_bytes(&header);
    record.put_slice(packet);
    Some(record)
}

/// How an input wants its super-frames cut.
#[must_use]
pub fn segment(input: &[u8]) -> Segment {
    match input.get(SEGMENT) {
        Some(flags) if flags % 2 == 1 => Segment::Jumbo,
        _ => Segment::Wire,
    }
}

/// A header as it lies in the ring.
#[must_use]
pub fn to_bytes(header: &RecordHeader) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RecordHeader::SIZE_BYTES);
    bytes.put_u64_ne(header.timestamp_ns);
    bytes.put_u32_ne(header.target_id);
    bytes.put_u32_ne(header.skb_len);
    bytes.put_u32_ne(header.captured_len);
    bytes.put_u32_ne(header.gso_size);
    bytes.put_u32_ne(header.gso_segs);
    bytes.put_u32_ne(header.gso_type);
    bytes.put_u32_ne(header.hash);
    bytes.put_u16_ne(header.protocol);
    bytes.put_u16_ne(header.vlan_proto);
    bytes.put_u16_ne(header.vlan_tci);
    bytes.put_u8(header.vlan_present);
    bytes.put_u8(header.direction);
    bytes.put_u16_ne(header.csum_start);
    bytes.put_u16_ne(header.csum_offset);
    bytes.put_u16_ne(header.inner_network_at);
    bytes.put_u8(header.ip_summed);
    bytes.put_u8(header.known);
    bytes.put_u8(header.link_layer);
    bytes.put_slice(&header.padding);
    bytes.put_u32_ne(header.version);
    bytes
}

/// The record in these bytes, by the code under test.
///
/// # Errors
/// When they are none.
pub fn read(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    decode(bytes, &gso_types())
}

/// The numbers of Linux 6.1 (include/linux/skbuff.h).
fn gso_types() -> GsoTypes {
    GsoTypes::new(&[
        (1 << 0, GsoType::TCPV4),
        (1 << 1, GsoType::DODGY),
        (1 << 2, GsoType::TCP_ECN),
        (1 << 3, GsoType::TCP_FIXEDID),
        (1 << 4, GsoType::TCPV6),
        (1 << 6, GsoType::GRE),
        (1 << 7, GsoType::GRE_CSUM),
        (1 << 8, GsoType::IPXIP4),
        (1 << 9, GsoType::IPXIP6),
        (1 << 10, GsoType::UDP_TUNNEL),
        (1 << 11, GsoType::UDP_TUNNEL_CSUM),
        (1 << 12, GsoType::PARTIAL),
        (1 << 14, GsoType::SCTP),
        (1 << 16, GsoType::UDP),
        (1 << 17, GsoType::UDP_L4),
        (1 << 18, GsoType::FRAGLIST),
    ])
}
