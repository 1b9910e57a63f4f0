//! Super-frames that once were cut otherwise than the kernel cuts them, with
//! the frames that Linux 6.18 made of them.

// Tests may panic.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use tap_common::{Direction, LinkLayer};
use tap_userspace::{
    engine::{decode::Record, framer::Framer, offload::SkbChecksum, segment::Segment},
    model::TargetId,
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

/// Cuts the super-frame at four bytes of payload.
fn assert_cut(super_frame: &str, expected: [&str; 3]) {
    let data = bytes(super_frame);
    let record = Record {
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
        data: &data,
    };
    let mut frames = Vec::new();
    Framer::new().frames(&record, Segment::Wire, |frame| {
        frames.push([frame.head, frame.payload].concat());
    });
    assert_eq!(frames, expected.map(bytes));
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let byte = |pair: &[u32]| u8::try_from(pair[0] << 4 | pair[1]).expect("two digits");
    digits.chunks(2).map(byte).collect()
}
