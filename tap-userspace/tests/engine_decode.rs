//! Bytes from the ring become a record, or say why not.

// Tests may panic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::mem::offset_of;

use proptest::collection::vec;
use proptest::prelude::*;
use tap_common::{ABI_VERSION, CHECKSUM_PARTIAL, Direction, Known, LinkLayer, RecordHeader};
use tap_userspace::engine::decode::{DecodeError, VlanTag, decode};
use tap_userspace::engine::offload::{GsoType, GsoTypes, SkbChecksum};
use tap_userspace::model::TargetId;

/// The header as the kernel side lays it out: each field at the offset that
/// the struct has it at, in the machine's byte order.
fn bytes_of(header: &RecordHeader) -> Vec<u8> {
    let mut bytes = vec![0; RecordHeader::SIZE_BYTES];
    let mut put = |offset: usize, field: &[u8]| {
        bytes[offset..offset + field.len()].copy_from_slice(field);
    };
    put(
        offset_of!(RecordHeader, timestamp_ns),
        &header.timestamp_ns.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, target_id),
        &header.target_id.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, skb_len),
        &header.skb_len.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, captured_len),
        &header.captured_len.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, gso_size),
        &header.gso_size.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, gso_segs),
        &header.gso_segs.to_ne_bytes(),
    );
    put(offset_of!(RecordHeader, hash), &header.hash.to_ne_bytes());
    put(
        offset_of!(RecordHeader, protocol),
        &header.protocol.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, vlan_proto),
        &header.vlan_proto.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, vlan_tci),
        &header.vlan_tci.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, vlan_present),
        &[header.vlan_present],
    );
    put(offset_of!(RecordHeader, direction), &[header.direction]);
    put(
        offset_of!(RecordHeader, gso_type),
        &header.gso_type.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, csum_start),
        &header.csum_start.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, csum_offset),
        &header.csum_offset.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, inner_network_at),
        &header.inner_network_at.to_ne_bytes(),
    );
    put(offset_of!(RecordHeader, ip_summed), &[header.ip_summed]);
    put(offset_of!(RecordHeader, known), &[header.known]);
    put(offset_of!(RecordHeader, link_layer), &[header.link_layer]);
    put(
        offset_of!(RecordHeader, version),
        &header.version.to_ne_bytes(),
    );
    bytes
}

fn header() -> RecordHeader {
    RecordHeader {
        timestamp_ns: 0x0102_0304_0506_0708,
        target_id: 0x1112_1314,
        skb_len: 0x2122_2324,
        captured_len: 5,
        gso_size: 0x3132_3334,
        gso_segs: 0x4142_4344,
        gso_type: 1 << 4 | 1 << 9,
        hash: 0x5152_5354,
        protocol: 0x0800,
        vlan_proto: 0x88a8,
        vlan_tci: 0x6162,
        vlan_present: 1,
        direction: 1,
        csum_start: 0x0102,
        csum_offset: 0x0304,
        inner_network_at: 0x0506,
        ip_summed: CHECKSUM_PARTIAL,
        known: Known::IP_SUMMED | Known::OFFSETS | Known::GSO_TYPE,
        link_layer: 1,
        padding: [0; 7],
        version: ABI_VERSION,
    }
}

#[test]
fn every_field_is_read_from_its_place() {
    let mut bytes = bytes_of(&header());
    bytes.extend(*b"hello, and the rest of the reservation");
    let gso_types = GsoTypes::new(&[(1 << 4, GsoType::TCPV6), (1 << 9, GsoType::UDP_TUNNEL)]);
    let record = decode(&bytes, &gso_types).unwrap();
    assert_eq!(record.gso_type, Some(GsoType::TCPV6 | GsoType::UDP_TUNNEL));
    let checksum = SkbChecksum::Partial {
        start: 0x0102,
        field: 0x0102 + 0x0304,
    };
    assert_eq!(record.checksum, checksum);
    assert_eq!(record.inner_network_at, Some(0x0506));
    assert_eq!(record.link_layer, LinkLayer::Ip);
    assert_eq!(record.timestamp_ns, 0x0102_0304_0506_0708);
    assert_eq!(record.target_id, TargetId(0x1112_1314));
    assert_eq!(record.skb_len, 0x2122_2324);
    assert_eq!(record.gso_size, 0x3132_3334);
    assert_eq!(record.protocol, 0x0800);
    assert_eq!(record.direction, Direction::Out);
    let tag = VlanTag {
        proto: 0x88a8,
        tci: 0x6162,
    };
    assert_eq!(record.vlan, Some(tag));
    assert_eq!(record.data, b"hello");
}

#[test]
fn a_tag_of_zero_is_there_when_the_record_says_so() {
    for (vlan_present, present) in [(0, false), (1, true)] {
        let header = RecordHeader {
            vlan_present,
            vlan_tci: 0,
            captured_len: 0,
            ..header()
        };
        let bytes = bytes_of(&header);
        let vlan = decode(&bytes, &GsoTypes::default()).unwrap().vlan;
        assert_eq!(vlan.is_some(), present);
        assert!(vlan.is_none_or(|tag| tag.tci == 0));
    }
}

#[test]
fn both_directions_are_read_and_others_refused() {
    for (direction, expected) in [
        (0, Ok(Direction::In)),
        (1, Ok(Direction::Out)),
        (2, Err(DecodeError::Direction(2))),
        (255, Err(DecodeError::Direction(255))),
    ] {
        let header = RecordHeader {
            direction,
            captured_len: 0,
            ..header()
        };
        let bytes = bytes_of(&header);
        assert_eq!(
            decode(&bytes, &GsoTypes::default()).map(|record| record.direction),
            expected
        );
    }
}

#[test]
fn what_the_kernel_was_not_asked_is_unknown() {
    let bytes = |known| {
        let header = RecordHeader {
            known,
            captured_len: 0,
            ..header()
        };
        bytes_of(&header)
    };
    for (known, checksum_known, gso_type_known) in [
        (0, false, false),
        // Partial, and nobody knows where.
        (Known::IP_SUMMED, false, false),
        (Known::IP_SUMMED | Known::OFFSETS, true, false),
        (Known::GSO_TYPE, false, true),
    ] {
        let bytes = bytes(known);
        let record = decode(&bytes, &GsoTypes::default()).unwrap();
        assert_eq!(record.checksum != SkbChecksum::Unknown, checksum_known);
        assert_eq!(record.gso_type.is_some(), gso_type_known);
        assert_eq!(record.inner_network_at.is_some(), checksum_known);
    }
}

#[test]
fn a_checksum_is_partial_only_if_the_kernel_says_so() {
    for ip_summed in 0..CHECKSUM_PARTIAL {
        let header = RecordHeader {
            ip_summed,
            known: Known::IP_SUMMED,
            captured_len: 0,
            ..header()
        };
        let bytes = bytes_of(&header);
        let record = decode(&bytes, &GsoTypes::default()).unwrap();
        assert_eq!(record.checksum, SkbChecksum::Final);
    }
}

#[test]
fn both_link_layers_are_read_and_others_refused() {
    for (link_layer, expected) in [
        (0, Ok(LinkLayer::Ethernet)),
        (1, Ok(LinkLayer::Ip)),
        (2, Err(DecodeError::LinkLayer(2))),
    ] {
        let header = RecordHeader {
            link_layer,
            captured_len: 0,
            ..header()
        };
        let bytes = bytes_of(&header);
        let record = decode(&bytes, &GsoTypes::default());
        assert_eq!(record.map(|record| record.link_layer), expected);
    }
}

#[test]
fn another_version_is_refused_whatever_else_it_holds() {
    for version in [0, ABI_VERSION + 1, u32::MAX] {
        let header = RecordHeader {
            version,
            direction: 77,
            ..header()
        };
        assert_eq!(
            decode(&bytes_of(&header), &GsoTypes::default()),
            Err(DecodeError::Version(version))
        );
    }
}

#[test]
fn a_record_that_promises_more_than_it_has_is_refused() {
    for (promised, present) in [(5, 4), (1, 0), (u32::MAX, 100)] {
        let header = RecordHeader {
            captured_len: promised,
            ..header()
        };
        let mut bytes = bytes_of(&header);
        bytes.resize(bytes.len() + present, 0);
        assert_eq!(
            decode(&bytes, &GsoTypes::default()),
            Err(DecodeError::DataShort { promised, present })
        );
    }
}

#[test]
fn less_than_a_header_is_refused() {
    let bytes = bytes_of(&header());
    for len in 0..RecordHeader::SIZE_BYTES {
        assert_eq!(
            decode(&bytes[..len], &GsoTypes::default()),
            Err(DecodeError::HeaderShort(len))
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_an_error(
        bytes in vec(any::<u8>(), 0..200),
        valid in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if valid {
            let at = offset_of!(RecordHeader, version);
            if let Some(version) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *version = ABI_VERSION.to_ne_bytes();
            }
            if let Some(direction) = bytes.get_mut(offset_of!(RecordHeader, direction)) {
                *direction %= 2;
            }
            let at = offset_of!(RecordHeader, captured_len);
            if let Some(captured) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *captured = (u32::from_ne_bytes(*captured) % 256).to_ne_bytes();
            }
        }
        if let Ok(record) = decode(&bytes, &GsoTypes::default()) {
            prop_assert!(bytes[RecordHeader::SIZE_BYTES..].starts_with(record.data));
        }
    }
}
