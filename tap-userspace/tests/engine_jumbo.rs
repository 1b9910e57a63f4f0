//! Longer frames than the wire's, on demand; and longer super-frames than an
//! IP length can say.

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
use tap_userspace::engine::offload::{GsoType, SkbChecksum};
use tap_userspace::model::Segment;

/// What a frame's IP packet may be long.
const JUMBO: usize = 9_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn jumbo_frames_are_whole_numbers_of_segments(
        packet in packets(2..=60_000),
        vlan in vlan_tags(),
        gso in prop_oneof![100..1_600_usize, 1_600..12_000_usize],
    ) {
        let mut packet = packet;
        packet.tcp = true;
        let gso_size = gso.clamp(1, packet.payload.len() - 1);
        let (data, at) = packet.build(Field::Partial);
        let (frames, framer) =
            frames_by(&record(&data, u32::try_from(gso_size).unwrap(), vlan), Segment::Jumbo);
        let headers = at.payload - at.ip;
        let (mut sent, mut segments) = (0, 0);
        let last = frames.len() - 1;
        for (index, frame) in frames.iter().enumerate() {
            let seen = see(frame, &packet);
            prop_assert!(seen.ip_checksum_valid && seen.checksum_valid());
            prop_assert!(headers + seen.payload.len() <= JUMBO || seen.payload.len() <= gso_size);
            if index != last {
                prop_assert_eq!(seen.payload.len() % gso_size, 0);
                prop_assert!(headers + seen.payload.len() + gso_size > JUMBO, "the largest");
            }
            let sequence = packet.sequence.wrapping_add(u32::try_from(sent).unwrap());
            prop_assert_eq!(seen.sequence, Some(sequence));
            if let Some(id) = seen.id {
                prop_assert_eq!(id, packet.id.wrapping_add(u16::try_from(segments).unwrap()));
            }
            let mut flags = packet.flags;
            if index != last { flags &= !(FIN | PSH); }
            if index != 0 { flags &= !CWR; }
            prop_assert_eq!(seen.flags, Some(flags));
            prop_assert_eq!(&seen.payload[..], &packet.payload[sent..sent + seen.payload.len()]);
            sent += seen.payload.len();
            segments += seen.payload.len().div_ceil(gso_size);
        }
        prop_assert_eq!(sent, packet.payload.len());
        prop_assert_eq!(framer.counts().segments, u64::try_from(frames.len()).unwrap());
    }
}

#[test]
fn datagrams_stay_apart() {
    let packet = plain_packet(false, false, 10_000);
    let (data, _) = packet.build(Field::Partial);
    let record = record(&data, 1_000, None);
    assert_eq!(
        frames_by(&record, Segment::Jumbo).0,
        frames_of(&record).0,
        "ten datagrams"
    );
}

#[test]
fn a_jumbo_frame_counts_the_headers_of_its_tunnel() {
    let outer = Outer {
        v6: true,
        shell: Shell::Vxlan {
            port: 4789,
            checksum: true,
        },
        id: 0,
    };
    let packet = plain_packet(true, false, 40_000);
    let (data, inner_ip) = outer.wrap(&packet.build(Field::Partial).0, ShellSum::Unfinished);
    let (frames, _) = frames_by(&record(&data, 1_400, None), Segment::Jumbo);
    // 40 + 8 + 8 + 14 + 20 + 32 bytes of headers: six segments are 8,522.
    let mut chunks = packet.payload.chunks(6 * 1_400);
    for (index, frame) in (0_u16..).zip(&frames) {
        let mut one = packet.clone();
        one.payload = chunks.next().unwrap().to_vec();
        one.id = packet.id + 6 * index;
        one.sequence += u32::from(6 * index) * 1_400;
        if usize::from(index) + 1 != frames.len() {
            one.flags &= !PSH;
        }
        let expected = outer.wrap(&one.build(Field::Valid).0, ShellSum::Valid).0;
        assert_eq!(*frame, expected, "frame {index}");
    }
    assert!(chunks.next().is_none());
    assert_eq!(inner_ip, 14 + 40 + 8 + 8 + 14);
}

/// A super-frame over IPv6 with BIG TCP's jumbo header (RFC 2675), and the same
/// packet without it.
fn big_tcp(payload_len: usize) -> (Vec<u8>, Packet) {
    let packet = plain_packet(true, true, payload_len);
    let (plain, at) = packet.build(Field::Partial);
    let mut data = plain[..at.transport].to_vec();
    data[at.ip + 6] = 0;
    data[at.ip + 4..at.ip + 6].fill(0);
    let jumbo_len = u32::try_from(plain.len() - at.transport + 8).unwrap();
    data.extend([6, 0, 0xc2, 4]);
    data.extend(jumbo_len.to_be_bytes());
    data.extend(&plain[at.transport..]);
    (data, packet)
}

#[test]
fn big_tcp_over_ipv6_loses_its_jumbo_header_when_cut() {
    let (data, packet) = big_tcp(180_000);
    let transport = 14 + 40 + 8;
    for known in [false, true] {
        for vlan in [
            None,
            Some(tap_userspace::engine::decode::VlanTag {
                proto: 0x8100,
                tci: 5,
            }),
        ] {
            let mut record = record(&data, 1_428, vlan);
            if known {
                record.gso_type = Some(GsoType::TCPV6);
                record.checksum = SkbChecksum::Partial {
                    start: transport,
                    field: transport + 16,
                };
            }
            let (frames, framer) = frames_of(&record);
            assert_eq!(frames.len(), 180_000_usize.div_ceil(1_428));
            let mut payload = Vec::new();
            for frame in &frames {
                // `see` checks the length of the IPv6 header, and that TCP
                // follows it at once.
                let seen = see(frame, &packet);
                assert!(seen.checksum_valid());
                payload.extend(seen.payload);
            }
            assert_eq!(payload, packet.payload);
            assert_eq!(framer.counts().tcp, 1);
        }
    }
}

/// Kernels from 7.0 on, and all of them over IPv4, put nothing in its stead.
#[test]
fn big_tcp_without_a_jumbo_header_is_cut() {
    for v6 in [false, true] {
        let packet = plain_packet(true, v6, 180_000);
        let (data, at) = packet.build(Field::Partial);
        let length = at.ip + if v6 { 4 } else { 2 };
        assert_eq!(data[length..length + 2], [0, 0]);
        let (frames, _) = frames_of(&record(&data, 1_428, None));
        let mut payload = Vec::new();
        for frame in &frames {
            let seen = see(frame, &packet);
            assert!(seen.ip_checksum_valid && seen.checksum_valid());
            payload.extend(seen.payload);
        }
        assert_eq!(payload, packet.payload);
    }
}

#[test]
fn a_jumbo_header_that_the_kernel_would_leave_is_not_cut() {
    let (short, _) = big_tcp(60_000);
    let (mut with_more, _) = big_tcp(100_000);
    // Another extension header behind it.
    with_more[54] = 60;
    with_more[62..70].copy_from_slice(&[6, 0, 1, 4, 0, 0, 0, 0]);
    let outer = Outer {
        v6: false,
        shell: Shell::Ip,
        id: 0,
    };
    let (in_tunnel, _) = outer.wrap(&big_tcp(100_000).0, ShellSum::Unfinished);
    for data in [short, with_more, in_tunnel] {
        let (frames, framer) = frames_of(&record(&data, 1_428, None));
        assert!(frames.is_empty());
        assert_eq!(framer.counts().left_out(), 1);
    }
}
