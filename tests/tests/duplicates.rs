//! Of a packet between two tapped pods of a node the sensor sees one copy.
//!
//! If this fails, Zeek sees each such flow twice (every segment a
//! retransmission), or a flow with holes.

use std::num::NonZeroU32;

use tap_common::{Direction, Verdict};
use tap_userspace::{adapter::bpf::Hook, agent::datapath::DatapathOptions, model::TargetId};
use tests::{Collector, Residue, Tap, Veth, VethEnd, eventually, frame, tcp_transfer};

const RING_BYTES: NonZeroU32 = NonZeroU32::new(1 << 26).expect("not 0");
const TRANSFER_BYTES: usize = 2_000_000;
const POD: TargetId = TargetId(1);
const PEER: TargetId = TargetId(2);

#[test]
#[ignore = "needs root"]
fn root_a_packet_between_two_taps_is_delivered_once() {
    let veth = Veth::new();
    let (mut tap, frames) = start(false);
    tap.attach(POD, &veth.pod, Hook::Auto);
    tap.attach(PEER, &veth.peer, Hook::Auto);
    let sent = tcp_transfer(ends(&veth).0, ends(&veth).1, TRANSFER_BYTES);
    let back = tcp_transfer(ends(&veth).1, ends(&veth).0, TRANSFER_BYTES);
    let total = tap.finish().total();
    let frames = frames.take();

    frame::assert_wire_true(&frames);
    for transfer in [&sent, &back] {
        frame::assert_carries(&frames, transfer);
    }
    // What one end sent, and nothing that the other received.
    let received = frames.iter().filter(|(way, _)| *way == Direction::In);
    assert_eq!(received.count(), 0, "frames that were seen before");
    assert_eq!(total.duplicates * 2, total.frames, "{total:?}");
    assert_eq!(total.delivered + total.duplicates, total.frames);
    Residue::assert_none(&[&veth.pod.netns, &veth.peer.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_duplicates_are_kept_when_asked_for() {
    let veth = Veth::ipv4_only();
    let (mut tap, frames) = start(true);
    tap.attach(POD, &veth.pod, Hook::Auto);
    tap.attach(PEER, &veth.peer, Hook::Auto);
    tcp_transfer(ends(&veth).0, ends(&veth).1, TRANSFER_BYTES);
    let total = tap.finish().total();
    let frames = frames.take();
    assert_eq!(total.duplicates, 0);
    assert_eq!(total.delivered, total.frames);
    let received = frames.iter().filter(|(way, _)| *way == Direction::In);
    assert_eq!(received.count() * 2, frames.len());
}

#[test]
#[ignore = "needs root"]
fn root_a_flow_stays_whole_when_one_of_its_taps_comes_and_goes() {
    let veth = Veth::ipv4_only();
    let (mut tap, frames) = start(false);
    tap.attach(POD, &veth.pod, Hook::Auto);
    let (sender, receiver) = ends(&veth);
    // A transfer each: before, while, and after the other end is tapped; the
    // second tap comes and goes while the first one's connections are open.
    let before = tcp_transfer(sender, receiver, TRANSFER_BYTES);
    let (during, peer_seen) = std::thread::scope(|scope| {
        let transfer = scope.spawn(|| tcp_transfer(sender, receiver, 20 * TRANSFER_BYTES));
        tap.attach(PEER, &veth.peer, Hook::Auto);
        let seen = eventually("the second tap sees the flow", || {
            let seen = tap.target(PEER).ledger().expect("the ledger").total();
            (seen.count(Verdict::Mirrored).packets > 50).then_some(seen)
        });
        tap.detach(PEER);
        (transfer.join().expect("the transfer"), seen)
    });
    assert!(peer_seen.seen.packets > 0);
    let after = tcp_transfer(receiver, sender, TRANSFER_BYTES);
    tap.finish();
    let frames = frames.take();
    for transfer in [&before, &during, &after] {
        frame::assert_carries(&frames, transfer);
    }
}

/// A datapath without targets, and what it will deliver.
fn start(keep_duplicates: bool) -> (Tap, Collector) {
    let options = DatapathOptions {
        keep_duplicates,
        ..DatapathOptions::default()
    };
    let frames = Collector::default();
    (Tap::start(RING_BYTES, options, frames.clone()), frames)
}

type End<'a> = (&'a VethEnd, std::net::IpAddr);

fn ends(veth: &Veth) -> (End<'_>, End<'_>) {
    let (pod, peer) = (&veth.pod, &veth.peer);
    ((pod, pod.ipv4), (peer, peer.ipv4))
}
