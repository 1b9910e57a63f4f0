//! Super-frames that once were cut otherwise than the kernel cuts them, with
//! the frames that Linux 6.18 made of them; and some that once were lost or
//! damaged.

// Tests may panic.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use tap_common::{Direction, LinkLayer};
use tap_userspace::{
    engine::{
        decode::Record,
        framer::Framer,
        offload::{GsoType, SkbChecksum},
    },
    model::{Segment, TargetId},
};

/// To the kernel, a 0 in a super-frame's UDP checksum is a sum like any other
/// (`__udp_gso_segment`).
#[test]
fn a_udp_super_frame_without_a_checksum_is_given_one() {
    assert_cut(
        "020000000001020000000002 0800 4500 0026 0007 0000 40 11 66be 0a000001 0a000002 \
         1234 2345 0012 0000 0102030405060708090a",
        [
            "020000000001020000000002 0800 4500 0020 0007 0000 40 11 66c4 0a000001 0a000002 \
             1234 2345 000c c67a 01020304",
            "020000000001020000000002 0800 4500 0020 0008 0000 40 11 66c3 0a000001 0a000002 \
             1234 2345 000c be72 05060708",
            "020000000001020000000002 0800 4500 001e 0009 0000 40 11 66c4 0a000001 0a000002 \
             1234 2345 000a c17a 090a",
        ],
    );
}

/// An IP length of 0 behind which no jumbo option is: not BIG TCP
/// (`ipv6_has_hopopt_jumbo`).
#[test]
fn options_and_no_length_are_no_jumbo_header() {
    assert_cut(
        "020000000001020000000002 86dd 60000000 0000 00 40 fdfdfdfdfdfdfdfdfdfdfdfdfdfdfdfd \
         fefefefefefefefefefefefefefefefe 1100010400000000 1234 2345 0012 e80a \
         0102030405060708090a",
        [
            "020000000001020000000002 86dd 60000000 0014 00 40 fdfdfdfdfdfdfdfdfdfdfdfdfdfdfdfd \
             fefefefefefefefefefefefefefefefe 1100010400000000 1234 2345 000c de6f 01020304",
            "020000000001020000000002 86dd 60000000 0014 00 40 fdfdfdfdfdfdfdfdfdfdfdfdfdfdfdfd \
             fefefefefefefefefefefefefefefefe 1100010400000000 1234 2345 000c d667 05060708",
            "020000000001020000000002 86dd 60000000 0012 00 40 fdfdfdfdfdfdfdfdfdfdfdfdfdfdfdfd \
             fefefefefefefefefefefefefefefefe 1100010400000000 1234 2345 000a d96f 090a",
        ],
    );
}

/// It was counted as cut, and no frame came out.
#[test]
fn a_packet_in_a_tunnel_without_a_payload_stays_one() {
    // IPIP, and a TCP header whose checksum is partial: 10.1.0.1 and 10.1.0.2,
    // protocol 6 and 20 bytes, sum to 0x141f.
    let outer = "020000000001020000000002 0800 4500 003c 0007 0000 40 04 66b5 0a000001 0a000002";
    let inner = "4500 0028 0009 0000 40 06 66c3 0a010001 0a010002";
    let tcp = "1234 2345 00000001 00000002 50 10 0200";
    let data = bytes(&format!("{outer} {inner} {tcp} 141f 0000"));
    let mut record = record(&data);
    record.gso_type = Some(GsoType::TCPV4 | GsoType::IPXIP4);
    record.inner_network_at = Some(34);
    record.checksum = SkbChecksum::Partial {
        start: 54,
        field: 70,
    };
    let (frames, framer) = frames_of(&record);
    // With 1234, 2345, 1, 2, 5010 and 0200: 9bab, inverted.
    let expected = format!("{outer} {inner} {tcp} 6454 0000");
    assert_eq!(frames, [bytes(&expected)]);
    assert_eq!((framer.counts().frames, framer.counts().segments), (1, 1));
}

/// Its checksum would be written into the packet inside.
#[test]
fn a_gre_header_without_room_for_its_checksum_is_not_cut() {
    let outer = "020000000001020000000002 0800 4500 0044 0007 0000 40 2f 6682 0a000001 0a000002";
    let inner = "4500 002c 0009 0000 40 06 66bf 0a010001 0a010002";
    let tcp = "1234 2345 00000001 00000002 50 10 0200 1427 0000 0102030405060708";
    for flags in ["0000", "8000"] {
        let data = bytes(&format!("{outer} {flags} 0800 {inner} {tcp}"));
        let mut record = record(&data);
        record.inner_network_at = Some(38);
        record.gso_type = Some(GsoType::TCPV4 | GsoType::GRE_CSUM);
        let (frames, framer) = frames_of(&record);
        assert_eq!(frames, <[Vec<u8>; 0]>::default(), "flags {flags}");
        assert_eq!(framer.counts().unsegmentable, 1, "flags {flags}");
        // What is cut where the kernel wants no checksum.
        record.gso_type = Some(GsoType::TCPV4 | GsoType::GRE);
        assert_eq!(frames_of(&record).0.len(), 2, "flags {flags}");
    }
}

/// BIG TCP leaves the length out where there is no tunnel. Elsewhere a tunnel's
/// own checksum would cover what is written there.
#[test]
fn a_packet_in_a_tunnel_without_a_length_stays_as_it_is() {
    // VXLAN with an outer checksum, whatever it is.
    let data = bytes(
        "020000000001020000000002 0800 4500 005a 0007 0000 40 11 668a 0a000001 0a000002 \
         1234 12b5 0046 abcd 0800000000000900 020000000003020000000004 0800 \
         4500 0000 0009 0000 40 06 66eb 0a010001 0a010002 \
         1234 2345 00000001 00000002 50 10 0200 9999 0000",
    );
    let mut record = record(&data);
    record.gso_type = Some(GsoType::TCPV4 | GsoType::UDP_TUNNEL_CSUM);
    record.inner_network_at = Some(64);
    record.checksum = SkbChecksum::Final;
    let (frames, framer) = frames_of(&record);
    assert_eq!(frames, [&data[..]]);
    assert_eq!((framer.counts().udp, framer.counts().tcp), (1, 0));
}

/// Cuts the super-frame at four bytes of payload.
fn assert_cut(super_frame: &str, expected: [&str; 3]) {
    let data = bytes(super_frame);
    let (frames, _) = frames_of(&record(&data));
    assert_eq!(frames, expected.map(bytes));
}

/// A super-frame of four bytes each, of which only the packet is known.
fn record(data: &[u8]) -> Record<'_> {
    Record {
        timestamp_ns: 1,
        target_id: TargetId(1),
        direction: Direction::Out,
        link_layer: LinkLayer::Ethernet,
        skb_len: u32::try_from(data.len()).expect("a short one"),
        gso_size: 4,
        gso_type: None,
        checksum: SkbChecksum::Unknown,
        inner_network_at: None,
        vlan: None,
        protocol: 0,
        data,
    }
}

fn frames_of(record: &Record<'_>) -> (Vec<Vec<u8>>, Framer) {
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    framer.frames(record, Segment::Wire, |frame| {
        frames.push([frame.head, frame.payload].concat());
    });
    (frames, framer)
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let byte = |pair: &[u32]| u8::try_from(pair[0] << 4 | pair[1]).expect("two digits");
    digits.chunks(2).map(byte).collect()
}
