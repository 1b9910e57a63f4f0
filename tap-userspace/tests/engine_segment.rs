//! Super-frames become what the wire would have carried.

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
use tap_userspace::engine::decode::VlanTag;

/// A super-frame, its gso_size (less than its payload), and a tag beside it.
fn super_frames() -> impl Strategy<Value = (Packet, u32, Option<VlanTag>)> {
    let sizes = prop_oneof![2..=300_usize, 1_400..=9_000_usize, 30_000..=64_000_usize];
    sizes
        .prop_flat_map(|size| {
            let most = u32::try_from(size - 1).unwrap();
            let gso_sizes = if size <= 300 {
                1..=most
            } else {
                500..=most.min(9_000)
            };
            (packets(size..=size), gso_sizes, vlan_tags())
        })
        // The lengths of one packet up to 65,535 bytes are in its headers.
        .prop_filter("no BIG TCP here", |(packet, ..)| {
            packet.payload.len() < 65_200
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn segments_are_what_the_wire_carries((packet, gso_size, vlan) in super_frames()) {
        let (data, at) = packet.build(Field::Partial);
        let gso = usize::try_from(gso_size).unwrap();
        let (frames, framer) = frames_of(&record(&data, gso_size, vlan));

        prop_assert_eq!(frames.len(), packet.payload.len().div_ceil(gso));
        let tagged = usize::from(vlan.is_some()) * 4;
        let mut payload = Vec::new();
        let last = frames.len() - 1;
        for (index, frame) in frames.iter().enumerate() {
            prop_assert!(frame.len() <= at.payload + tagged + gso);
            let seen = see(frame, &packet);
            prop_assert!(seen.ip_checksum_valid, "IP checksum of frame {}", index);
            prop_assert!(seen.checksum_valid(), "checksum of frame {}: {:?}", index, seen);
            if !packet.tcp {
                prop_assert_ne!(seen.checksum, 0, "a UDP checksum of 0 is none");
            }
            let step = u32::try_from(index).unwrap();
            if let Some(sequence) = seen.sequence {
                let sent = u32::try_from(payload.len()).unwrap();
                prop_assert_eq!(sequence, packet.sequence.wrapping_add(sent));
            }
            if let Some(id) = seen.id {
                prop_assert_eq!(u32::from(id), (u32::from(packet.id) + step) & 0xffff);
            }
            if let Some(flags) = seen.flags {
                let mut expected = packet.flags;
                if index != last { expected &= !(FIN | PSH); }
                if index != 0 { expected &= !CWR; }
                prop_assert_eq!(flags, expected, "flags of frame {} of {}", index, last);
            }
            if index != last {
                prop_assert_eq!(seen.payload.len(), gso);
            }
            payload.extend(seen.payload);
        }
        prop_assert_eq!(&payload, &packet.payload);

        let counts = framer.counts();
        prop_assert_eq!(counts.super_frames, 1);
        prop_assert_eq!(counts.segments, u64::try_from(frames.len()).unwrap());
        prop_assert_eq!(counts.vlan_put_back, u64::from(vlan.is_some()));
    }

    /// What is in no field that the cut changes is as it was.
    #[test]
    fn what_cutting_does_not_concern_stays((packet, gso_size, vlan) in super_frames()) {
        let (data, at) = packet.build(Field::Partial);
        let original = with_tag(&data, vlan);
        let moved = usize::from(vlan.is_some()) * 4;
        let mut changing: Vec<usize> = (at.checksum..at.checksum + 2).collect();
        if packet.v6 {
            changing.extend(at.ip + 4..at.ip + 6);
        } else {
            changing.extend(at.ip + 2..at.ip + 6);
            changing.extend(at.ip + 10..at.ip + 12);
        }
        if packet.tcp {
            changing.extend(at.transport + 4..at.transport + 8);
            changing.push(at.transport + 13);
        } else {
            changing.extend(at.transport + 4..at.transport + 6);
        }
        let (frames, _) = frames_of(&record(&data, gso_size, vlan));
        for frame in frames {
            for offset in (0..at.payload + moved)
                .filter(|offset| !changing.contains(&offset.wrapping_sub(moved)))
            {
                prop_assert_eq!(frame[offset], original[offset], "byte {}", offset);
            }
        }
    }

    /// The checksum is by the difference in length (`tcp_gso_segment`): a
    /// field that was wrong by some amount is wrong by it in each segment.
    #[test]
    fn an_inconsistent_checksum_stays_inconsistent(
        (packet, gso_size, vlan) in super_frames(),
        wrong_by in 1..0xffff_u16,
    ) {
        let field = fold(u64::from(packet.pseudo()) + u64::from(wrong_by));
        let (data, _) = packet.build(Field::Value(field));
        let (frames, _) = frames_of(&record(&data, gso_size, vlan));
        for frame in frames {
            let seen = see(&frame, &packet);
            let expected = fold(u64::from(seen.computed) + u64::from(!wrong_by));
            prop_assert_eq!(fold(u64::from(seen.checksum)) % 0xffff, expected % 0xffff);
        }
    }
}

#[test]
fn big_tcp_over_ipv4_is_cut_without_a_length_in_its_header() {
    let packet = plain_packet(true, false, 65_500);
    let (data, at) = packet.build(Field::Partial);
    assert_eq!(data[at.ip + 2..at.ip + 4], [0, 0], "more than 65,535 bytes");
    let (frames, _) = frames_of(&record(&data, 1_448, None));
    let mut payload = Vec::new();
    for frame in &frames {
        let seen = see(frame, &packet);
        assert!(seen.ip_checksum_valid && seen.checksum_valid());
        payload.extend(seen.payload);
    }
    assert_eq!(payload, packet.payload);
}

#[test]
fn big_tcp_that_fits_one_packet_gets_its_length() {
    for v6 in [false, true] {
        let packet = plain_packet(true, v6, 1_000);
        let (mut data, at) = packet.build(Field::Partial);
        let length = if v6 { at.ip + 4 } else { at.ip + 2 };
        data[length..length + 2].fill(0);
        let (frames, framer) = frames_of(&record(&data, 1_448, None));
        assert_eq!(frames.len(), 1);
        let seen = see(&frames[0], &packet);
        assert!(seen.ip_checksum_valid && seen.checksum_valid());
        assert_eq!(seen.flags, Some(packet.flags));
        assert_eq!(framer.counts().tcp, 1);
        assert_eq!(framer.counts().super_frames, 0);
    }
}

#[test]
fn a_super_frame_no_longer_than_gso_size_is_an_ordinary_packet() {
    let packet = plain_packet(true, false, 1_448);
    let (data, _) = packet.build(Field::Valid);
    let (frames, framer) = frames_of(&record(&data, 1_448, None));
    assert_eq!(frames, [data]);
    assert_eq!(framer.counts().segments, 0);
}

#[test]
fn a_udp_segment_whose_checksum_would_be_zero_has_ffff() {
    // The last word of the one full segment is chosen so that its sum is
    // 0xffff, whose inverse is 0.
    for v6 in [false, true] {
        let mut packet = plain_packet(false, v6, 1_002);
        packet.payload[998..1_000].fill(0);
        let mut first = packet.clone();
        first.payload.truncate(1_000);
        let (bytes, at) = first.build(Field::Value(0));
        let missing = !fold(u64::from(first.pseudo()) + plain_sum(&bytes[at.transport..]));
        packet.payload[998..1_000].copy_from_slice(&missing.to_be_bytes());
        let (data, _) = packet.build(Field::Partial);
        let (frames, _) = frames_of(&record(&data, 1_000, None));
        assert_eq!(see(&frames[0], &packet).checksum, 0xffff);
    }
}

#[test]
fn tunnels_without_a_packet_inside_are_not_cut() {
    let vxlan = [
        &[0x08, 0, 0, 0, 0, 0, 1, 0][..],
        &[0; 12],
        &[0x08, 0x00, 0x45],
    ]
    .concat();
    let geneve_bridged = [
        &[0x01, 0, 0x65, 0x58, 0, 0, 1, 0][..],
        &[0; 16],
        &[0x86, 0xdd, 0x60],
    ]
    .concat();
    let geneve_ip = [&[0x00, 0, 0x08, 0x00, 0, 0, 1, 0][..], &[0x45]].concat();
    for (port, inside) in [
        (4789, &vxlan),
        (8472, &vxlan),
        (6081, &geneve_bridged),
        (6081, &geneve_ip),
    ] {
        let mut packet = plain_packet(false, false, 3_000);
        packet.destination_port = port;
        packet.payload[..inside.len()].copy_from_slice(inside);
        let (data, _) = packet.build(Field::Value(0));
        let (frames, framer) = frames_of(&record(&data, 1_000, None));
        assert!(frames.is_empty(), "port {port}");
        assert_eq!(framer.counts().unsegmentable, 1);
        assert_eq!(framer.counts().left_out(), 1);
        // The same bytes as one packet pass.
        let (frames, _) = frames_of(&record(&data, 0, None));
        assert_eq!(frames, [data]);
    }
}

#[test]
fn udp_to_a_tunnel_port_that_is_no_tunnel_is_cut() {
    for port in [4789, 8472, 6081] {
        let mut packet = plain_packet(false, false, 3_000);
        packet.destination_port = port;
        packet.payload[..32].fill(0xff);
        let (data, _) = packet.build(Field::Partial);
        let (frames, _) = frames_of(&record(&data, 1_000, None));
        assert_eq!(frames.len(), 3, "port {port}");
    }
}

#[test]
fn other_protocols_and_fragments_are_not_cut() {
    let change_v4 = |number: u8| {
        let (mut data, at) = plain_packet(true, false, 3_000).build(Field::Partial);
        data[at.ip + 9] = number;
        data
    };
    let change_v6 = |number: u8| {
        let (mut data, at) = plain_packet(true, true, 3_000).build(Field::Partial);
        data[at.ip + 6] = number;
        data
    };
    let (mut fragment, at) = plain_packet(false, false, 3_000).build(Field::Partial);
    fragment[at.ip + 6..at.ip + 8].copy_from_slice(&[0x20, 0]);
    let mut arp = vec![0; 3_000];
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    // Authentication header, SCTP; a fragment header.
    let uncut = [51, 132]
        .into_iter()
        .flat_map(|number| [change_v4(number), change_v6(number)])
        .chain([change_v6(44), fragment, arp]);
    for data in uncut {
        let (frames, framer) = frames_of(&record(&data, 1_000, None));
        assert!(frames.is_empty());
        assert_eq!(framer.counts().unsegmentable, 1);
    }
    // IPIP, IPv6 in IP, GRE: without a packet inside.
    for number in [4, 41, 47] {
        for data in [change_v4(number), change_v6(number)] {
            let (frames, framer) = frames_of(&record(&data, 1_000, None));
            assert!(frames.is_empty());
            assert_eq!(framer.counts().left_out(), 1);
        }
    }
}

#[test]
fn a_jumbo_header_and_a_gso_size_that_no_length_describes_are_not_cut() {
    for payload_len in [500, 3_000] {
        let mut packet = plain_packet(true, true, payload_len);
        packet.hop_by_hop = true;
        let (mut jumbo, at) = packet.build(Field::Partial);
        jumbo[at.ip + 4..at.ip + 6].fill(0);
        // RFC 2675 section 2.
        jumbo[at.ip + 42..at.ip + 44].copy_from_slice(&[0xc2, 4]);
        let (frames, framer) = frames_of(&record(&jumbo, 1_000, None));
        assert!(frames.is_empty());
        assert_eq!(framer.counts().unsegmentable, 1);
    }
    // Behind 20 bytes of IPv4 and 32 of TCP.
    const LONGEST: u32 = 65_535 - 20 - 32;
    let (data, _) = plain_packet(true, false, 70_000).build(Field::Partial);
    for gso_size in [LONGEST + 1, u32::MAX] {
        let (frames, framer) = frames_of(&record(&data, gso_size, None));
        assert!(frames.is_empty());
        assert_eq!(framer.counts().unsegmentable, 1);
    }
    let (frames, _) = frames_of(&record(&data, LONGEST, None));
    assert_eq!(frames.len(), 2);
}
