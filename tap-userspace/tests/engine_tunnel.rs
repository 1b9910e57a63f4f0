//! What is in a tunnel becomes what the wire would have carried.

// Tests may panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod engine_support;

use engine_support::tunnel::*;
use engine_support::*;
use proptest::prelude::*;
use tap_userspace::engine::decode::Record;
use tap_userspace::engine::offload::{GsoType, SkbChecksum};

/// What the kernel was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// Without `ip_summed`.
    GsoType,
    All,
}

/// A packet without tags, which VXLAN may have inside but a `Packet` counts.
fn inner_packets() -> impl Strategy<Value = Packet> {
    packets(2..=6_000).prop_map(|packet| Packet {
        tags: Vec::new(),
        routing: None,
        ..packet
    })
}

/// The segments of a packet, each built anew.
fn segments(packet: &Packet, gso_size: usize) -> Vec<Packet> {
    let count = packet.payload.len().div_ceil(gso_size);
    packet
        .payload
        .chunks(gso_size)
        .enumerate()
        .map(|(index, payload)| {
            let mut one = packet.clone();
            one.payload = payload.to_vec();
            one.sequence = packet
                .sequence
                .wrapping_add(u32::try_from(index * gso_size).unwrap());
            one.id = packet.id.wrapping_add(u16::try_from(index).unwrap());
            if index + 1 != count {
                one.flags &= !(FIN | PSH);
            }
            if index != 0 {
                one.flags &= !CWR;
            }
            one
        })
        .collect()
}

fn inner_type(packet: &Packet) -> GsoType {
    match (packet.tcp, packet.v6) {
        (true, false) => GsoType::TCPV4,
        (true, true) => GsoType::TCPV6,
        (false, _) => GsoType::UDP_L4,
    }
}

/// A super-frame in a tunnel, with what was asked about it.
fn tunnelled<'a>(
    data: &'a [u8],
    inner_ip: usize,
    outer: &Outer,
    packet: &Packet,
    gso_size: usize,
    asked: Asked,
) -> Record<'a> {
    let mut record = record(data, u32::try_from(gso_size).unwrap(), None);
    let (_, at) = packet.build(Field::Partial);
    if asked != Asked::Nothing {
        record.gso_type = Some(inner_type(packet) | outer.shell.gso_type(outer.v6));
        record.inner_network_at = Some(inner_ip);
    }
    if asked == Asked::All {
        let start = inner_ip + at.transport - at.ip;
        let field = inner_ip + at.checksum - at.ip;
        record.checksum = SkbChecksum::Partial { start, field };
    }
    record
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![Just(Asked::Nothing), Just(Asked::GsoType), Just(Asked::All)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn each_inner_packet_gets_a_tunnel_of_its_own(
        packet in inner_packets(),
        outer in outers(),
        vlan in vlan_tags(),
        gso in 1..3_000_usize,
        asked in asked(),
    ) {
        let gso_size = gso.clamp(packet.payload.len().div_ceil(300), packet.payload.len() - 1);
        let (inner, _) = packet.build(Field::Partial);
        let (data, inner_ip) = outer.wrap(&inner, ShellSum::Unfinished);
        let mut record = tunnelled(&data, inner_ip, &outer, &packet, gso_size, asked);
        record.vlan = vlan;
        let (frames, framer) = frames_of(&record);
        let expected: Vec<_> = segments(&packet, gso_size)
            .iter()
            .zip(0_u16..)
            .map(|(segment, index)| {
                let outer = Outer { id: outer.id.wrapping_add(index), ..outer };
                let (frame, _) = outer.wrap(&segment.build(Field::Valid).0, ShellSum::Valid);
                with_tag(&frame, vlan)
            })
            .collect();
        prop_assert_eq!(frames.len(), expected.len());
        for (index, (ours, expected)) in frames.iter().zip(&expected).enumerate() {
            prop_assert_eq!(ours, expected, "frame {}", index);
        }
        let counts = framer.counts();
        prop_assert_eq!((counts.tunnel, counts.super_frames), (1, 1));
        prop_assert_eq!(counts.udp + counts.other_ip, 1);
        prop_assert_eq!(counts.tcp, 0, "the outer packet is what is counted");
    }

    /// Local checksum offload: the outer checksum is final, the inner one is
    /// not.
    #[test]
    fn a_partial_checksum_in_a_tunnel_is_completed(
        packet in inner_packets(),
        outer in outers(),
        asked in prop_oneof![Just(Asked::Nothing), Just(Asked::All)],
    ) {
        let (partial, _) = packet.build(Field::Partial);
        let (valid, at) = packet.build(Field::Valid);
        // As `lco_csum` does, the outer one is made as if the inner one were
        // there.
        let (expected, inner_ip) = outer.wrap(&valid, ShellSum::Valid);
        let mut data = expected.clone();
        let field = inner_ip + at.checksum - at.ip;
        data[field..field + 2].copy_from_slice(&partial[at.checksum..at.checksum + 2]);
        let mut record = record(&data, 0, None);
        if asked == Asked::All {
            record.checksum = SkbChecksum::Partial {
                start: inner_ip + at.transport - at.ip,
                field,
            };
            record.inner_network_at = Some(inner_ip);
        }
        let (frames, framer) = frames_of(&record);
        // Of a TCP checksum of 0, `skb_checksum_help` makes 0xffff.
        let mut expected = expected;
        if expected[field..field + 2] == [0, 0] {
            expected[field..field + 2].fill(0xff);
        }
        prop_assert_eq!(&frames[0], &expected);
        prop_assert_eq!(framer.counts().checksums_completed, 1);
        prop_assert_eq!(framer.counts().tunnel, 0, "nothing was cut");
    }

    #[test]
    fn a_final_packet_in_a_tunnel_is_untouched(
        packet in inner_packets(),
        outer in outers(),
        wrong in proptest::option::of(any::<u16>()),
    ) {
        let value = wrong.filter(|value| *value != packet.pseudo());
        let field = value.map_or(Field::Valid, Field::Value);
        let (data, _) = outer.wrap(&packet.build(field).0, ShellSum::Valid);
        let (frames, _) = frames_of(&record(&data, 0, None));
        prop_assert_eq!(&frames[0], &data);
    }
}

fn vxlan(port: u16, checksum: bool) -> Outer {
    Outer {
        v6: false,
        shell: Shell::Vxlan { port, checksum },
        id: 0xfffe,
    }
}

const GRE: Shell = Shell::Gre {
    checksum: false,
    key: false,
    bridged: false,
};

/// A super-frame of three packets in `outer`, with all that is known.
fn three(outer: &Outer, asked: Asked) -> (Vec<u8>, Packet, usize) {
    let packet = plain_packet(true, false, 3_000);
    let (data, inner_ip) = outer.wrap(&packet.build(Field::Partial).0, ShellSum::Unfinished);
    let record = tunnelled(&data, inner_ip, outer, &packet, 1_000, asked);
    assert_eq!(frames_of(&record).0.len(), 3, "the control");
    (data, packet, inner_ip)
}

#[test]
fn any_port_is_a_tunnel_where_the_kernel_says_so_and_none_where_it_does_not() {
    for checksum in [false, true] {
        let outer = vxlan(12_345, checksum);
        let (data, packet, inner_ip) = three(&outer, Asked::All);
        let mut record = tunnelled(&data, inner_ip, &outer, &packet, 1_000, Asked::All);
        let (frames, _) = frames_of(&record);
        let expected = segments(&packet, 1_000).remove(0).build(Field::Valid).0;
        assert_eq!(frames[0], outer.wrap(&expected, ShellSum::Valid).0);
        // The same bytes to the port of VXLAN, as datagrams.
        let outer = vxlan(4789, checksum);
        let (data, ..) = three(&outer, Asked::Nothing);
        record.data = &data;
        record.gso_type = Some(GsoType::UDP_L4);
        record.checksum = SkbChecksum::Unknown;
        let (frames, framer) = frames_of(&record);
        assert_eq!(frames.len(), 4, "the inner headers are payload");
        assert_eq!(framer.counts().tunnel, 0);
    }
}

#[test]
fn a_tunnel_header_may_have_an_odd_length() {
    for v6 in [false, true] {
        let outer = Outer {
            v6,
            shell: Shell::Odd,
            id: 3,
        };
        let (data, packet, inner_ip) = three(&outer, Asked::All);
        let record = tunnelled(&data, inner_ip, &outer, &packet, 1_000, Asked::All);
        let (frames, _) = frames_of(&record);
        let expected = segments(&packet, 1_000).remove(0).build(Field::Valid).0;
        assert_eq!(frames[0], outer.wrap(&expected, ShellSum::Valid).0);
    }
}

/// `SKB_GSO_PARTIAL`: the sum in the outer field has the length that is in the
/// UDP header (`__skb_udp_tunnel_segment`).
#[test]
fn the_outer_sum_of_a_partly_cut_super_frame_has_its_own_length() {
    const LENGTH: u16 = 1_234;
    let outer = vxlan(4789, true);
    let (mut data, packet, inner_ip) = three(&outer, Asked::All);
    let expected = frames_of(&tunnelled(
        &data,
        inner_ip,
        &outer,
        &packet,
        1_000,
        Asked::All,
    ))
    .0;
    let old_length = u16::try_from(data.len() - 34).unwrap();
    let field = u16::from_be_bytes([data[40], data[41]]);
    let field = fold(u64::from(field) + u64::from(!old_length) + u64::from(LENGTH));
    data[38..40].copy_from_slice(&LENGTH.to_be_bytes());
    data[40..42].copy_from_slice(&field.to_be_bytes());
    let mut record = tunnelled(&data, inner_ip, &outer, &packet, 1_000, Asked::All);
    assert_ne!(frames_of(&record).0, expected);
    record.gso_type = record.gso_type.map(|gso_type| gso_type | GsoType::PARTIAL);
    assert_eq!(frames_of(&record).0, expected);
}

#[test]
fn a_fixed_identification_is_kept_where_the_kernel_says_so() {
    let outer = vxlan(4789, false);
    let (data, packet, inner_ip) = three(&outer, Asked::All);
    let plain = tunnelled(&data, inner_ip, &outer, &packet, 1_000, Asked::All);
    let ids = |more: GsoType| {
        let mut record = plain;
        record.gso_type = record.gso_type.map(|gso_type| gso_type | more);
        let (frames, _) = frames_of(&record);
        let last = frames.last().unwrap();
        let id = |at: usize| u16::from_be_bytes([last[at + 4], last[at + 5]]);
        (
            id(14).wrapping_sub(outer.id),
            id(inner_ip).wrapping_sub(packet.id),
        )
    };
    assert_eq!(ids(GsoType::default()), (2, 2));
    assert_eq!(ids(GsoType::TCP_FIXEDID), (0, 2));
    assert_eq!(ids(GsoType::TCP_FIXEDID_INNER), (2, 0));
    assert_eq!(ids(GsoType::TCP_FIXEDID_INNERMOST), (2, 0));
    assert_eq!(
        ids(GsoType::TCP_FIXEDID | GsoType::TCP_FIXEDID_INNER),
        (0, 0)
    );
}

#[test]
fn what_the_metadata_contradicts_is_not_cut() {
    let outer = vxlan(4789, true);
    let (data, packet, inner_ip) = three(&outer, Asked::All);
    let plain = tunnelled(&data, inner_ip, &outer, &packet, 1_000, Asked::All);
    let gso_type = plain.gso_type.unwrap();
    let mut wrong = Vec::new();
    for more in [
        GsoType::GRE,
        GsoType::UDP_TUNNEL,
        GsoType::IPXIP4,
        GsoType::OTHER,
        GsoType::UDP,
        GsoType::SCTP,
    ] {
        let mut record = plain;
        record.gso_type = Some(gso_type | more);
        wrong.push(record);
    }
    for instead in [
        GsoType::UDP_TUNNEL_CSUM | GsoType::TCPV6,
        GsoType::UDP_TUNNEL_CSUM | GsoType::UDP_L4,
        GsoType::UDP_TUNNEL_CSUM,
        GsoType::GRE | GsoType::TCPV4,
        GsoType::IPXIP4 | GsoType::TCPV4,
        GsoType::TCPV4,
        GsoType::default(),
    ] {
        let mut record = plain;
        record.gso_type = Some(instead);
        wrong.push(record);
    }
    for inner_network_at in [0, 14, inner_ip + 1, data.len(), usize::MAX / 2] {
        let mut record = plain;
        record.inner_network_at = Some(inner_network_at);
        wrong.push(record);
    }
    let mut record = plain;
    // The outer header's own.
    record.checksum = SkbChecksum::Partial {
        start: 34,
        field: 40,
    };
    wrong.push(record);
    for record in wrong {
        let (frames, framer) = frames_of(&record);
        assert!(frames.is_empty(), "{record:?}");
        assert_eq!(framer.counts().left_out(), 1);
    }
}

#[test]
fn two_levels_and_numbered_packets_are_not_cut() {
    let inside = vxlan(4789, false);
    let (data, ..) = three(&inside, Asked::All);
    let twice = Outer {
        shell: GRE,
        ..inside
    };
    let (data, _) = twice.wrap(&data, ShellSum::Unfinished);
    let (frames, framer) = frames_of(&record(&data, 1_000, None));
    assert!(frames.is_empty());
    assert_eq!(framer.counts().unsegmentable, 1, "two levels");

    let keyed = Outer {
        shell: Shell::Gre {
            checksum: false,
            key: true,
            bridged: false,
        },
        ..inside
    };
    let (mut data, ..) = three(&keyed, Asked::Nothing);
    // The key becomes a sequence number (RFC 2890 section 2).
    data[34] = 0x10;
    let (frames, framer) = frames_of(&record(&data, 1_000, None));
    assert!(frames.is_empty());
    assert_eq!(framer.counts().unsegmentable, 1, "numbered packets");
}

#[test]
fn a_single_packet_in_a_tunnel_has_both_checksums_completed() {
    for asked in [Asked::Nothing, Asked::GsoType, Asked::All] {
        let outer = vxlan(4789, true);
        let (data, packet, inner_ip) = three(&outer, asked);
        let record = tunnelled(&data, inner_ip, &outer, &packet, 3_000, asked);
        let (frames, _) = frames_of(&record);
        let (valid, _) = outer.wrap(&packet.build(Field::Valid).0, ShellSum::Valid);
        assert_eq!(frames, [valid], "{asked:?}");
    }
}

/// GRE's own checksum, where nothing inside is partial (include/net/gre.h
/// `gre_build_header`).
#[test]
fn a_partial_checksum_of_gre_is_completed() {
    let shell = Shell::Gre {
        checksum: true,
        key: true,
        bridged: false,
    };
    let outer = Outer {
        v6: false,
        shell,
        id: 1,
    };
    let (inner, _) = plain_packet(true, false, 100).build(Field::Valid);
    let (partial, _) = outer.wrap(&inner, ShellSum::Unfinished);
    let (valid, _) = outer.wrap(&inner, ShellSum::Valid);
    assert_eq!(partial[38..40], [0, 0]);
    let unknown = record(&partial, 0, None);
    let mut told = unknown;
    told.checksum = SkbChecksum::Partial {
        start: 34,
        field: 38,
    };
    for record in [unknown, told] {
        assert_eq!(frames_of(&record).0, [&valid[..]]);
    }
}

#[test]
fn fragments_are_not_looked_into() {
    for outer_v6 in [false, true] {
        let outer = Outer {
            v6: outer_v6,
            shell: Shell::Ip,
            id: 7,
        };
        let (inner, at) = plain_packet(true, false, 100).build(Field::Partial);
        let mut inner_fragment = inner.clone();
        inner_fragment[at.ip + 6] |= 0x20;
        let (data, _) = outer.wrap(&inner_fragment, ShellSum::Valid);
        assert_eq!(frames_of(&record(&data, 0, None)).0, [&data[..]]);
        if !outer_v6 {
            let (mut data, _) = outer.wrap(&inner, ShellSum::Valid);
            data[20] = 0x20;
            assert_eq!(frames_of(&record(&data, 0, None)).0, [&data[..]]);
        }
    }
}
