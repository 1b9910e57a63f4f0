//! Partial checksums are completed, and only those.

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

/// The checksum field of the only frame, and that nothing else has changed.
fn field_of_only_frame(data: &[u8], at: At, vlan: Option<VlanTag>) -> u16 {
    let (frames, _) = frames_of(&record(data, 0, vlan));
    assert_eq!(frames.len(), 1);
    let moved = usize::from(vlan.is_some()) * 4;
    let field = at.checksum + moved..at.checksum + moved + 2;
    let value = u16::from_be_bytes([frames[0][field.start], frames[0][field.start + 1]]);
    let mut expected = with_tag(data, vlan);
    expected[field.clone()].copy_from_slice(&frames[0][field]);
    assert_eq!(frames[0], expected, "nothing beside the checksum changes");
    value
}

use tap_userspace::engine::decode::VlanTag;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn partial_checksum_is_completed(
        packet in packets(0..=1_500),
        vlan in vlan_tags(),
        padding in prop_oneof![Just(0), 1..=20_usize],
    ) {
        let (mut data, at) = packet.build(Field::Partial);
        let packet_end = data.len();
        data.resize(packet_end + padding, 0xee);
        let field = field_of_only_frame(&data, at, vlan);
        let mut unpadded = data[..packet_end].to_vec();
        unpadded[at.checksum..at.checksum + 2].copy_from_slice(&field.to_be_bytes());
        let seen = see(&unpadded, &packet);
        prop_assert!(seen.checksum_valid(), "{:?}", seen);
        prop_assert_ne!(seen.checksum, 0);
        let (_, framer) = frames_of(&record(&data, 0, vlan));
        prop_assert_eq!(framer.counts().checksums_completed, 1);
    }

    #[test]
    fn complete_checksum_is_untouched(packet in packets(0..=1_500), vlan in vlan_tags()) {
        let (data, at) = packet.build(Field::Valid);
        let before = u16::from_be_bytes([data[at.checksum], data[at.checksum + 1]]);
        prop_assert_eq!(field_of_only_frame(&data, at, vlan), before);
    }

    #[test]
    fn corrupt_checksum_stays_corrupt(
        packet in packets(0..=1_500),
        vlan in vlan_tags(),
        value in any::<u16>(),
        inverted in any::<bool>(),
    ) {
        // The inverted sum is what a complete checksum of no bytes would be.
        let value = if inverted { !packet.pseudo() } else { value };
        prop_assume!(value != packet.pseudo());
        let (data, at) = packet.build(Field::Value(value));
        prop_assert_eq!(field_of_only_frame(&data, at, vlan), value);
    }

    /// The blind spot does no harm to a valid packet: completing gives the
    /// checksum that it had.
    #[test]
    fn a_valid_checksum_that_looks_partial_keeps_its_value(packet in packets(2..=1_500)) {
        // The first word of the payload takes up what is missing for the valid
        // checksum to be the pseudo-header's sum.
        let mut packet = packet;
        packet.payload[..2].fill(0);
        let partial = packet.pseudo();
        let (data, at) = packet.build(Field::Value(partial));
        let sum = u64::from(partial) + plain_sum(&data[at.transport..]);
        packet.payload[..2].copy_from_slice(&(!fold(sum)).to_be_bytes());
        let (data, at) = packet.build(Field::Valid);
        prop_assert_eq!(u16::from_be_bytes([data[at.checksum], data[at.checksum + 1]]), partial);
        prop_assert_eq!(field_of_only_frame(&data, at, None), partial);
    }

    #[test]
    fn fragments_are_never_completed(
        packet in packets(0..=1_500),
        fragment in prop_oneof![Just(0x2000_u16), Just(0x0001), Just(0x3fff)],
    ) {
        let mut packet = packet;
        packet.v6 = false;
        let (mut data, at) = packet.build(Field::Partial);
        data[at.ip + 6..at.ip + 8].copy_from_slice(&fragment.to_be_bytes());
        let partial = packet.pseudo();
        prop_assert_eq!(field_of_only_frame(&data, at, None), partial);
        let (_, framer) = frames_of(&record(&data, 0, None));
        prop_assert_eq!(framer.counts().fragment, 1);
    }
}

#[test]
fn ipv6_fragments_are_never_completed() {
    for tcp in [false, true] {
        let mut packet = plain_packet(tcp, true, 100);
        packet.hop_by_hop = true;
        let (mut data, at) = packet.build(Field::Partial);
        // The hop-by-hop header becomes a fragment header of the same length,
        // of an atomic fragment (RFC 6946).
        data[at.ip + 6] = 44;
        data[at.ip + 42..at.ip + 48].fill(0);
        let (frames, framer) = frames_of(&record(&data, 0, None));
        assert_eq!(frames, [data]);
        assert_eq!(framer.counts().fragment, 1);
    }
}

#[test]
fn udp_without_a_checksum_over_ipv4_stays_without() {
    let (data, at) = plain_packet(false, false, 333).build(Field::Value(0));
    assert_eq!(field_of_only_frame(&data, at, None), 0);
}

#[test]
fn a_completed_checksum_of_zero_becomes_ffff() {
    for (tcp, v6) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut packet = plain_packet(tcp, v6, 100);
        packet.payload[..2].fill(0);
        let (data, at) = packet.build(Field::Partial);
        let missing = !fold(plain_sum(&data[at.transport..]));
        packet.payload[..2].copy_from_slice(&missing.to_be_bytes());
        let (data, at) = packet.build(Field::Partial);
        assert_eq!(field_of_only_frame(&data, at, None), 0xffff);
    }
}

#[test]
fn the_first_address_is_final_in_a_segment_routing_header_and_the_last_in_others() {
    for kind in [0, 2, 4] {
        let mut packet = plain_packet(true, true, 100);
        packet.routing = Some(Routing {
            kind,
            segments_left: 1,
            addresses: 3,
        });
        let (data, at) = packet.build(Field::Partial);
        let (frames, framer) = frames_of(&record(&data, 0, None));
        assert_eq!(framer.counts().checksums_completed, 1, "type {kind}");
        assert!(see(&frames[0], &packet).checksum_valid(), "type {kind}");
        // With the address in the IPv6 header the sum would be another.
        let mut arrived = packet.clone();
        arrived.routing.as_mut().unwrap().segments_left = 0;
        let (mut data_arrived, _) = arrived.build(Field::Value(packet.pseudo()));
        assert_eq!(
            field_of_only_frame(&data_arrived, at, None),
            packet.pseudo()
        );
        data_arrived[at.checksum..at.checksum + 2].copy_from_slice(&arrived.pseudo().to_be_bytes());
        assert_ne!(
            field_of_only_frame(&data_arrived, at, None),
            arrived.pseudo()
        );
    }
}

#[test]
fn behind_an_unknown_routing_header_nothing_is_guessed() {
    let mut packet = plain_packet(true, true, 100);
    packet.routing = Some(Routing {
        kind: 3,
        segments_left: 1,
        addresses: 2,
    });
    for value in [packet.pseudo(), {
        let mut arrived = packet.clone();
        arrived.routing.as_mut().unwrap().segments_left = 0;
        arrived.pseudo()
    }] {
        let (data, at) = packet.build(Field::Value(value));
        assert_eq!(field_of_only_frame(&data, at, None), value);
    }
}

#[test]
fn a_datagram_shorter_than_its_ip_packet_is_untouched() {
    // UDP options (RFC 9868) lie in between.
    let (mut data, at) = plain_packet(false, false, 100).build(Field::Partial);
    data[at.transport + 4..at.transport + 6].copy_from_slice(&100_u16.to_be_bytes());
    let (frames, framer) = frames_of(&record(&data, 0, None));
    assert_eq!(frames, [data]);
    assert_eq!(
        (framer.counts().udp, framer.counts().malformed_passed),
        (1, 0)
    );
}
