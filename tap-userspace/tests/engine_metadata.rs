//! What the sk_buff says is done, and nothing else.

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
use tap_userspace::engine::offload::{GsoType, SkbChecksum};

/// What the kernel says of a packet that it has left partial.
fn told(at: At) -> SkbChecksum {
    SkbChecksum::Partial {
        start: at.transport,
        field: at.checksum,
    }
}

/// CRC32c, bit by bit (RFC 9260 appendix A: the polynomial 0x1edc6f41,
/// reflected, of all ones, inverted).
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

/// An SCTP packet with one chunk, its checksum 0; and where it begins.
fn sctp(v6: bool, payload: &[u8]) -> (Vec<u8>, usize) {
    let mut packet = plain_packet(true, v6, 0);
    packet.tcp_option_words = 0;
    packet.payload = payload.to_vec();
    let (mut data, at) = packet.build(Field::Value(0));
    data[at.ip + if v6 { 6 } else { 9 }] = 132;
    data[at.transport + 8..at.transport + 12].fill(0);
    if !v6 {
        data[at.ip + 10..at.ip + 12].fill(0);
        let sum = !fold(plain_sum(&data[at.ip..at.transport]));
        data[at.ip + 10..at.ip + 12].copy_from_slice(&sum.to_be_bytes());
    }
    (data, at.transport)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// `skb_checksum_help` sums whatever there is, from the start that it is
    /// told to the end of the skb, whatever the field holds.
    #[test]
    fn a_partial_checksum_is_completed_where_the_kernel_says(
        packet in packets(0..=1_500),
        vlan in vlan_tags(),
        padding in proptest::collection::vec(any::<u8>(), 0..20),
        field in prop_oneof![Just(Field::Partial), any::<u16>().prop_map(Field::Value)],
        start in any::<proptest::sample::Index>(),
        offset in 0..40_usize,
    ) {
        let (mut data, _) = packet.build(field);
        data.extend(padding);
        let start = start.index(data.len());
        let field = start + offset;
        prop_assume!(field >= 12 && field + 2 <= data.len());
        let mut record = record(&data, 0, vlan);
        record.checksum = SkbChecksum::Partial { start, field };
        let (frames, framer) = frames_of(&record);
        let mut expected = data.clone();
        let sum = match !fold(plain_sum(&data[start..])) {
            0 => 0xffff,
            sum => sum,
        };
        expected[field..field + 2].copy_from_slice(&sum.to_be_bytes());
        prop_assert_eq!(&frames[0], &with_tag(&expected, vlan));
        prop_assert_eq!(framer.counts().checksums_completed, 1);
    }

    #[test]
    fn a_final_checksum_is_never_touched(
        packet in packets(0..=1_500),
        value in any::<u16>(),
        looks_partial in any::<bool>(),
    ) {
        let field = if looks_partial { Field::Partial } else { Field::Value(value) };
        let (data, _) = packet.build(field);
        let mut record = record(&data, 0, None);
        record.checksum = SkbChecksum::Final;
        let (frames, framer) = frames_of(&record);
        prop_assert_eq!(&frames[0], &data);
        prop_assert_eq!(framer.counts().checksums_completed, 0);
        prop_assert_eq!(framer.counts().tcp + framer.counts().udp, 1);
    }

    #[test]
    fn sctp_is_given_its_crc(
        v6 in any::<bool>(),
        payload in proptest::collection::vec(any::<u8>(), 0..1_500),
        padding in 0..3_usize,
    ) {
        let (mut data, start) = sctp(v6, &payload);
        let end = data.len();
        data.resize(end + padding, 0);
        let mut told = record(&data, 0, None);
        told.checksum = SkbChecksum::Partial { start, field: start + 8 };
        // The kernel sums to the end of the skb; the rule, to that of the packet.
        for (record, end) in [(told, data.len()), (record(&data, 0, None), end)] {
            let (frames, framer) = frames_of(&record);
            let mut expected = data.clone();
            expected[start + 8..start + 12]
                .copy_from_slice(&crc32c(&data[start..end]).to_le_bytes());
            prop_assert_eq!(&frames[0], &expected);
            prop_assert_eq!((framer.counts().sctp, framer.counts().checksums_completed), (1, 1));
            // Done once, it stays.
            let again = engine_support::record(&expected, 0, None);
            prop_assert_eq!(&frames_of(&again).0[0], &expected);
        }
    }
}

/// RFC 3720 appendix B.4: what the reference is checked against.
#[test]
fn the_reference_crc_is_crc32c() {
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
}

#[test]
fn sctp_with_a_checksum_and_fragments_of_it_are_untouched() {
    let (mut data, start) = sctp(false, &[7; 40]);
    data[start + 8] = 1;
    assert_eq!(frames_of(&record(&data, 0, None)).0, [&data[..]]);
    data[start + 8] = 0;
    let mut told_final = record(&data, 0, None);
    told_final.checksum = SkbChecksum::Final;
    assert_eq!(frames_of(&told_final).0, [&data[..]]);
    let mut fragment = data.clone();
    fragment[20] = 0x20;
    assert_eq!(frames_of(&record(&fragment, 0, None)).0, [&fragment[..]]);
}

#[test]
fn a_checksum_outside_of_the_packet_is_counted_and_it_passes() {
    let (data, at) = plain_packet(true, false, 100).build(Field::Partial);
    let end = data.len();
    let outside = [
        (end, end),
        (end + 100, end + 116),
        (at.transport, end - 1),
        (at.transport, end),
        (0xffff, 0x1_fffe),
        (usize::MAX, usize::MAX),
        // In the MAC addresses.
        (0, 11),
    ];
    for (start, field) in outside {
        let mut record = record(&data, 0, None);
        record.checksum = SkbChecksum::Partial { start, field };
        let (frames, framer) = frames_of(&record);
        assert_eq!(frames, [&data[..]], "{start} {field}");
        let counts = framer.counts();
        assert_eq!((counts.malformed_passed, counts.tcp), (1, 0));
        assert_eq!(counts.checksums_completed, 0);
    }
}

#[test]
fn a_checksum_in_a_malformed_packet_is_completed_all_the_same() {
    let (mut data, at) = plain_packet(true, false, 100).build(Field::Partial);
    data[at.ip + 2..at.ip + 4].fill(0xff);
    let mut record = record(&data, 0, None);
    record.checksum = told(at);
    let (frames, framer) = frames_of(&record);
    let sum = !fold(plain_sum(&data[at.transport..]));
    assert_eq!(frames[0][at.checksum..at.checksum + 2], sum.to_be_bytes());
    assert_eq!(framer.counts().malformed_passed, 1);
}

/// The frames of a super-frame of three packets, and what was counted.
fn cut(
    packet: &Packet,
    field: Field,
    gso_type: GsoType,
    checksum: Option<SkbChecksum>,
) -> (Vec<Vec<u8>>, tap_userspace::engine::framer::Framer) {
    let (data, at) = packet.build(field);
    let mut record = record(&data, 1_000, None);
    record.gso_type = Some(gso_type);
    record.checksum = checksum.unwrap_or(told(at));
    frames_of(&record)
}

fn type_of(packet: &Packet) -> GsoType {
    match (packet.tcp, packet.v6) {
        (true, false) => GsoType::TCPV4,
        (true, true) => GsoType::TCPV6,
        (false, _) => GsoType::UDP_L4,
    }
}

#[test]
fn congestion_window_reduced_is_on_the_first_alone_unless_accurate() {
    let mut packet = plain_packet(true, false, 3_000);
    packet.flags = 0x98;
    let cwr = |more| {
        let (frames, _) = cut(&packet, Field::Partial, GsoType::TCPV4 | more, None);
        frames
            .iter()
            .map(|frame| see(frame, &packet).flags.unwrap() & CWR != 0)
            .collect::<Vec<_>>()
    };
    assert_eq!(cwr(GsoType::default()), [true, false, false]);
    assert_eq!(cwr(GsoType::TCP_ECN), [true, false, false]);
    assert_eq!(cwr(GsoType::TCP_ACCECN), [true, true, true]);
}

#[test]
fn a_fixed_identification_stays() {
    let packet = plain_packet(true, false, 3_000);
    let ids = |more| {
        let (frames, _) = cut(&packet, Field::Partial, GsoType::TCPV4 | more, None);
        frames
            .iter()
            .map(|frame| see(frame, &packet).id.unwrap() - packet.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(GsoType::TCP_FIXEDID_INNER), [0, 1, 2], "in no tunnel");
    assert_eq!(ids(GsoType::TCP_FIXEDID), [0, 0, 0]);
    assert_eq!(ids(GsoType::TCP_FIXEDID_INNERMOST), [0, 0, 0]);
    assert_eq!(ids(GsoType::DODGY | GsoType::PARTIAL), [0, 1, 2]);
}

/// `tcp4_gso_segment`, `tcp6_gso_segment`.
#[test]
fn a_super_frame_that_is_not_partial_gets_its_sums_anew() {
    for v6 in [false, true] {
        let packet = plain_packet(true, v6, 3_000);
        let field = Field::Value(0xbad0);
        let (frames, _) = cut(&packet, field, type_of(&packet), Some(SkbChecksum::Final));
        assert_eq!(frames.len(), 3);
        for frame in &frames {
            assert!(see(frame, &packet).checksum_valid(), "v6 {v6}");
        }
        // One that is partial is as wrong as it was.
        let (frames, _) = cut(&packet, field, type_of(&packet), None);
        assert!(!see(&frames[0], &packet).checksum_valid());
    }
}

#[test]
fn a_fragment_list_is_cut_where_receiving_put_it_together_and_counted() {
    for (tcp, v6) in [(true, false), (true, true), (false, false), (false, true)] {
        let packet = plain_packet(tcp, v6, 2_500);
        let gso_type = type_of(&packet) | GsoType::FRAGLIST;
        // The field is that of the first packet, as it was received.
        let field = Field::Value(0x1234);
        let (frames, framer) = cut(&packet, field, gso_type, Some(SkbChecksum::Final));
        let seen: Vec<_> = frames.iter().map(|frame| see(frame, &packet)).collect();
        let lengths: Vec<_> = seen.iter().map(|seen| seen.payload.len()).collect();
        assert_eq!(lengths, [1_000, 1_000, 500]);
        assert!(seen.iter().all(Seen::checksum_valid), "{tcp} {v6}");
        let counts = framer.counts();
        assert_eq!((counts.inferred, counts.super_frames), (1, 1));
    }
}

#[test]
fn what_cannot_be_cut_truly_is_counted() {
    let packet = plain_packet(true, false, 3_000);
    let datagram = plain_packet(false, false, 3_000);
    let cases = [
        (&packet, GsoType::TCPV4 | GsoType::OTHER),
        (&packet, GsoType::TCPV6),
        (&packet, GsoType::UDP_L4),
        (&packet, GsoType::DODGY),
        (&packet, GsoType::TCPV4 | GsoType::GRE),
        (&datagram, GsoType::UDP),
        (&datagram, GsoType::UDP | GsoType::DODGY),
        (&datagram, GsoType::TCPV4),
    ];
    for (packet, gso_type) in cases {
        let (frames, framer) = cut(packet, Field::Partial, gso_type, None);
        assert!(frames.is_empty(), "{gso_type:?}");
        assert_eq!(framer.counts().unsegmentable, 1, "{gso_type:?}");
    }
    // GSO_BY_FRAGS: the lengths are those of a list that is not there.
    let (data, start) = sctp(false, &[1; 3_000]);
    let mut record = record(&data, 0xffff, None);
    for (gso_type, checksum) in [
        (None, SkbChecksum::Unknown),
        (Some(GsoType::SCTP), SkbChecksum::Unknown),
        (
            Some(GsoType::SCTP),
            SkbChecksum::Partial {
                start,
                field: start + 8,
            },
        ),
    ] {
        (record.gso_type, record.checksum) = (gso_type, checksum);
        let (frames, framer) = frames_of(&record);
        assert!(frames.is_empty());
        assert_eq!(framer.counts().unsegmentable, 1);
    }
}
