//! Of two views of one packet the second is a duplicate; nothing else is.

// Tests may panic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use etherparse::PacketBuilder;
use proptest::prelude::*;
use tap_common::Direction::{self, In, Out};
use tap_userspace::{
    engine::duplicates::{Duplicates, WINDOW_NS},
    model::FrameBytes,
};

const CLIENT: [u8; 4] = [10, 244, 1, 2];
const SERVER: [u8; 4] = [10, 244, 1, 3];

/// A TCP segment as it is on the sender's interface.
fn segment(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(CLIENT, SERVER, 64)
        .tcp(40_000, 80, sequence, 65_000)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

/// The same as it is on the receiver's: other MAC addresses, one hop further.
fn routed(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8]);
    frame[14 + 8] -= 1;
    // The header's checksum changes with the TTL: RFC 1624.
    let checksum = u16::from_be_bytes([frame[24], frame[25]]);
    let [high, low] = checksum.wrapping_add(0x0100).to_be_bytes();
    frame[24] = high;
    frame[25] = low;
    frame
}

fn see(duplicates: &mut Duplicates, direction: Direction, at_ns: u64, frame: &[u8]) -> bool {
    let whole = FrameBytes {
        head: frame,
        payload: &[],
    };
    duplicates.is_duplicate(direction, at_ns, whole)
}

#[test]
fn the_receivers_view_of_what_was_sent_is_a_duplicate() {
    let mut duplicates = Duplicates::new();
    let sent = segment(1, b"hello");
    assert!(!see(&mut duplicates, Out, 10, &sent));
    assert!(see(&mut duplicates, In, 20, &routed(&sent)));
}

#[test]
fn what_was_received_alone_is_none() {
    let mut duplicates = Duplicates::new();
    let frame = segment(1, b"hello");
    assert!(!see(&mut duplicates, In, 10, &frame));
    assert!(!see(&mut duplicates, In, 20, &frame));
}

#[test]
fn retransmissions_are_none_and_their_second_views_are() {
    let mut duplicates = Duplicates::new();
    let frame = segment(1, b"again");
    assert!(!see(&mut duplicates, Out, 10, &frame));
    assert!(!see(&mut duplicates, Out, 20, &frame));
    assert!(see(&mut duplicates, In, 30, &frame));
    assert!(see(&mut duplicates, In, 40, &frame));
    // A third was not sent by a tapped pod.
    assert!(!see(&mut duplicates, In, 50, &frame));
}

#[test]
fn another_sequence_number_or_payload_is_another_packet() {
    let mut duplicates = Duplicates::new();
    assert!(!see(&mut duplicates, Out, 10, &segment(1, b"hello")));
    assert!(!see(&mut duplicates, In, 20, &segment(2, b"hello")));
    assert!(!see(&mut duplicates, In, 20, &segment(1, b"hellO")));
    assert!(!see(&mut duplicates, In, 20, &segment(1, b"hello!")));
}

#[test]
fn a_translated_address_makes_two_views() {
    let mut duplicates = Duplicates::new();
    let sent = segment(1, b"to a service");
    let mut translated = sent.clone();
    translated[14 + 19] = 77;
    assert!(!see(&mut duplicates, Out, 10, &sent));
    assert!(!see(&mut duplicates, In, 20, &translated));
}

#[test]
fn a_broadcast_is_a_duplicate_at_each_receiver() {
    let mut duplicates = Duplicates::new();
    let mut frame = segment(1, b"to all");
    frame[..6].copy_from_slice(&[0xff; 6]);
    assert!(!see(&mut duplicates, Out, 10, &frame));
    for _ in 0..3 {
        assert!(see(&mut duplicates, In, 20, &frame));
    }
}

#[test]
fn a_credit_lasts_no_longer_than_the_window() {
    let mut duplicates = Duplicates::new();
    let frame = segment(1, b"late");
    assert!(!see(&mut duplicates, Out, 10, &frame));
    assert!(!see(&mut duplicates, In, 11 + WINDOW_NS, &frame));
    assert!(!see(&mut duplicates, Out, 20 + WINDOW_NS, &frame));
    assert!(see(&mut duplicates, In, 20 + 2 * WINDOW_NS, &frame));
}

#[test]
fn a_tag_on_one_side_makes_no_difference() {
    let mut duplicates = Duplicates::new();
    let plain = segment(1, b"vlan");
    let mut tagged = plain[..12].to_vec();
    tagged.extend([0x81, 0, 0, 42]);
    tagged.extend(&plain[12..]);
    assert!(!see(&mut duplicates, Out, 10, &tagged));
    assert!(see(&mut duplicates, In, 20, &plain));
}

/// A frame of which only the tag was put back has its head end behind it.
#[test]
fn it_makes_no_difference_where_the_payload_begins() {
    let plain = segment(1, b"vlan");
    let mut tagged = plain[..12].to_vec();
    tagged.extend([0x81, 0, 0, 42]);
    tagged.extend(&plain[12..]);
    for at in 1..tagged.len() {
        let mut duplicates = Duplicates::new();
        let (head, payload) = tagged.split_at(at);
        let parted = FrameBytes { head, payload };
        assert!(!duplicates.is_duplicate(Out, 10, parted));
        assert!(see(&mut duplicates, In, 20, &plain), "parted at {at}");
        assert!(!see(&mut duplicates, Out, 30, &plain));
        assert!(duplicates.is_duplicate(In, 40, parted), "parted at {at}");
    }
}

#[test]
fn ipv6_and_arp_are_known_again() {
    let mut duplicates = Duplicates::new();
    let mut v6 = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv6([1; 16], [2; 16], 64)
        .udp(1, 2)
        .write(&mut v6, b"six")
        .unwrap();
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    arp.resize(60, 7);
    let mut next_hop = v6.clone();
    next_hop[14 + 7] -= 1;
    assert!(!see(&mut duplicates, Out, 10, &v6));
    assert!(see(&mut duplicates, In, 20, &next_hop));
    assert!(!see(&mut duplicates, Out, 30, &arp));
    assert!(see(&mut duplicates, In, 40, &arp));
}

proptest! {
    /// Whatever is sent, however often and in whatever order it arrives: as
    /// many duplicates as were sent before, and never one more.
    #[test]
    fn never_more_duplicates_than_frames_sent(
        events in proptest::collection::vec((any::<bool>(), 0_u32..6), 1..200),
    ) {
        let mut duplicates = Duplicates::new();
        let mut open = [0_u32; 6];
        for (at, (sent, sequence)) in (1_u64..).zip(events) {
            let frame = segment(sequence, b"payload");
            let slot = &mut open[sequence as usize];
            if sent {
                prop_assert!(!see(&mut duplicates, Out, at, &frame));
                *slot += 1;
            } else {
                prop_assert_eq!(see(&mut duplicates, In, at, &frame), *slot > 0);
                *slot = slot.saturating_sub(1);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_duplicate_of_themselves_or_no_frame(
        frame in proptest::collection::vec(any::<u8>(), 0..120),
        cut in 0_usize..120,
    ) {
        let mut duplicates = Duplicates::new();
        let (head, payload) = frame.split_at(cut.min(frame.len()));
        let parts = FrameBytes { head, payload };
        prop_assert!(!duplicates.is_duplicate(Out, 1, parts));
        // A frame that is cut into head and payload elsewhere is the same one.
        let again = duplicates.is_duplicate(In, 2, parts);
        let readable = head.len() >= 14;
        prop_assert!(again || !readable || head[12..14] == [0x81, 0] || head[12..14] == [0x88, 0xa8] || head[12..14] == [0x91, 0]);
    }
}
