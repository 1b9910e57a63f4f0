//! Packets that are put together as they are, in a list (`SKB_GSO_FRAGLIST`),
//! for nobody here wants them: where one ends is inferred, and they become
//! themselves again as long as their identifications counted up.

use tap_common::Metadata;
use tests::Veth;

use crate::{
    fixed::{SEGMENT_BYTES, SEGMENTS, expect_put_together, packet, segment, send, waiting_veth},
    packet::{Field, Packet, Transport},
    received,
};

#[test]
#[ignore = "needs root"]
fn root_received_lists_of_tcp_segments_are_as_they_were_sent() {
    become_themselves(|index| segment(index, 100 + index));
}

#[test]
#[ignore = "needs root"]
fn root_received_lists_of_datagrams_are_as_they_were_sent() {
    become_themselves(|index| {
        let is_last = index + 1 == SEGMENTS;
        let len = SEGMENT_BYTES - u16::from(is_last);
        Packet {
            transport: Transport::Udp {
                ports: 0x1234_2345,
                length: None,
            },
            payload: vec![index as u8; usize::from(len)],
            ..packet(100 + index)
        }
    });
}

fn become_themselves(packet: impl Fn(u16) -> Packet + Sync) {
    // Without metadata they are taken for partial ones, which they are not.
    for metadata in [Metadata::Kfuncs, Metadata::ProbeReads] {
        let counts = received::compare_on(listing_veth(), metadata, |veth, _| {
            send(veth, |index| packet(index).build(Field::Right).0);
        });
        expect_put_together(&counts);
        assert_eq!(counts.inferred, counts.super_frames, "{counts:?}");
    }
}

/// A cable whose pod end makes lists.
fn listing_veth() -> Veth {
    let veth = waiting_veth();
    veth.pod.netns.run("ethtool -K eth0 gro on rx-gro-list on");
    veth
}
