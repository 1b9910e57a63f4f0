//! Packets of a device without a link layer get an Ethernet header.

// Tests may panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod engine_support;

use engine_support::*;
use proptest::prelude::*;
use tap_common::{Direction, LinkLayer};
use tap_userspace::engine::decode::{Record, VlanTag};
use tap_userspace::engine::offload::SkbChecksum;
use tap_userspace::model::TargetId;

fn bare(packet: &[u8], gso_size: u32, protocol: u16, direction: Direction) -> Record<'_> {
    let mut record = record(packet, gso_size, None);
    record.link_layer = LinkLayer::Ip;
    record.protocol = protocol;
    record.direction = direction;
    record.target_id = TargetId(0x0102_0304);
    record
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The same frames as with an Ethernet header from the beginning, whatever
    /// it is that happens to them.
    #[test]
    fn frames_are_those_of_the_same_packet_on_ethernet(
        packet in packets(0..=4_000),
        field in prop_oneof![Just(Field::Partial), Just(Field::Valid), Just(Field::Value(1))],
        gso_size in prop_oneof![Just(0_u32), 100..3_000_u32],
        told in any::<bool>(),
        incoming in any::<bool>(),
    ) {
        let mut packet = packet;
        packet.tags.clear();
        let (whole, at) = packet.build(field);
        let direction = if incoming { Direction::In } else { Direction::Out };
        let ethertype = u16::from_be_bytes([whole[12], whole[13]]);
        let mut with_link = record(&whole, gso_size, None);
        let mut without = bare(&whole[at.ip..], gso_size, ethertype, direction);
        if told {
            let (start, field) = (at.transport, at.checksum);
            with_link.checksum = SkbChecksum::Partial { start, field };
            without.checksum = SkbChecksum::Partial { start: start - at.ip, field: field - at.ip };
        }
        let (expected, framer) = frames_of(&with_link);
        let (frames, framer_without) = frames_of(&without);
        prop_assert_eq!(frames.len(), expected.len());
        for (ours, expected) in frames.iter().zip(&expected) {
            prop_assert_eq!(&ours[12..], &expected[12..]);
            let pod = [0x02, 0x70, 1, 2, 3, 4];
            let other = [0x06, 0x70, 1, 2, 3, 4];
            let (destination, source) = if incoming { (pod, other) } else { (other, pod) };
            prop_assert_eq!(&ours[..6], &destination[..]);
            prop_assert_eq!(&ours[6..12], &source[..]);
        }
        prop_assert_eq!(framer.counts(), framer_without.counts());
    }
}

#[test]
fn a_packet_that_needs_nothing_else_is_not_copied() {
    let (whole, at) = plain_packet(true, false, 100).build(Field::Valid);
    let packet = &whole[at.ip..];
    let mut framer = tap_userspace::engine::framer::Framer::new();
    let segment = tap_userspace::model::Segment::Wire;
    framer.frames(&bare(packet, 0, 0x0800, Direction::In), segment, |frame| {
        assert_eq!(frame.head.len(), 14);
        assert_eq!(frame.payload.as_ptr(), packet.as_ptr());
    });
}

#[test]
fn a_tag_and_an_unknown_protocol_are_in_the_header() {
    let mut record = bare(&[1, 2, 3], 0, 0x88b5, Direction::Out);
    let (frames, framer) = frames_of(&record);
    assert_eq!(frames[0][12..], [0x88, 0xb5, 1, 2, 3]);
    assert_eq!(framer.counts().non_ip, 1);
    record.vlan = Some(VlanTag {
        proto: 0x8100,
        tci: 9,
    });
    let (frames, _) = frames_of(&record);
    assert_eq!(frames[0][12..], [0x81, 0, 0, 9, 0x88, 0xb5, 1, 2, 3]);
    record.data = &[];
    record.skb_len = 0;
    let (frames, framer) = frames_of(&record);
    assert!(frames.is_empty());
    assert_eq!(framer.counts().malformed_left_out, 1);
}
