//! Of a packet between two tapped pods of a node the sensor sees one copy.
//!
//! If this fails, Zeek sees each such flow twice (every segment a
//! retransmission), or a flow with holes.

use std::num::NonZeroU32;

use tap_common::{Direction, Verdict};
use tap_userspace::{
    adapter::bpf::{Heartbeat, Hook, KernelLog, Shared},
    agent::{
        datapath::{Datapath, DatapathCounts, DatapathOptions},
        target::Target,
    },
    model::{Segment, TargetId},
};
use tests::{Collector, Frames, Residue, Veth, VethEnd, frame, tcp_transfer};

const RING_BYTES: NonZeroU32 = NonZeroU32::new(1 << 26).expect("not 0");
const TRANSFER_BYTES: usize = 2_000_000;
const POD: TargetId = TargetId(1);
const PEER: TargetId = TargetId(2);

#[test]
#[ignore = "needs root"]
fn root_a_packet_between_two_taps_is_delivered_once() {
    let veth = Veth::new();
    let tap = Tap::new(false);
    let targets = [tap.attach(&veth.pod, POD), tap.attach(&veth.peer, PEER)];
    let sent = tcp_transfer(ends(&veth).0, ends(&veth).1, TRANSFER_BYTES);
    let back = tcp_transfer(ends(&veth).1, ends(&veth).0, TRANSFER_BYTES);
    let seen = tap.finish(targets);

    frame::assert_wire_true(&seen.frames);
    for transfer in [&sent, &back] {
        frame::assert_carries(&seen.frames, transfer);
    }
    // What one end sent, and nothing that the other received.
    let received = seen.frames.iter().filter(|(way, _)| *way == Direction::In);
    assert_eq!(received.count(), 0, "frames that were seen before");
    let total = seen.counts.total();
    assert_eq!(total.duplicates * 2, total.frames, "{total:?}");
    assert_eq!(total.delivered + total.duplicates, total.frames);
    Residue::assert_none(&[&veth.pod.netns, &veth.peer.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_duplicates_are_kept_when_asked_for() {
    let veth = Veth::ipv4_only();
    let tap = Tap::new(true);
    let targets = [tap.attach(&veth.pod, POD), tap.attach(&veth.peer, PEER)];
    tcp_transfer(ends(&veth).0, ends(&veth).1, TRANSFER_BYTES);
    let seen = tap.finish(targets);
    let total = seen.counts.total();
    assert_eq!(total.duplicates, 0);
    assert_eq!(total.delivered, total.frames);
    let received = seen.frames.iter().filter(|(way, _)| *way == Direction::In);
    assert_eq!(received.count() * 2, seen.frames.len());
}

#[test]
#[ignore = "needs root"]
fn root_a_flow_stays_whole_when_one_of_its_taps_comes_and_goes() {
    let veth = Veth::ipv4_only();
    let tap = Tap::new(false);
    let pod = tap.attach(&veth.pod, POD);
    let (sender, receiver) = ends(&veth);
    // A transfer each: before, while, and after the other end is tapped; the
    // second tap comes and goes while the first one's connections are open.
    let before = tcp_transfer(sender, receiver, TRANSFER_BYTES);
    let (during, peer_seen) = std::thread::scope(|scope| {
        let transfer = scope.spawn(|| tcp_transfer(sender, receiver, 20 * TRANSFER_BYTES));
        let peer = tap.attach(&veth.peer, PEER);
        let seen = tests::eventually("the second tap sees the flow", || {
            let seen = peer.ledger().expect("the ledger").total();
            (seen.count(Verdict::Mirrored).packets > 50).then_some(seen)
        });
        peer.detach(Some(&veth.peer.netns.open()))
            .expect("to detach");
        tap.datapath.retire(PEER);
        (transfer.join().expect("the transfer"), seen)
    });
    assert!(peer_seen.seen.packets > 0);
    let after = tcp_transfer(receiver, sender, TRANSFER_BYTES);
    let seen = tap.finish([pod]);
    for transfer in [&before, &during, &after] {
        frame::assert_carries(&seen.frames, transfer);
    }
    assert_eq!(seen.counts.undecodable, 0);
}

/// A datapath for more than one target.
struct Tap {
    shared: Shared,
    datapath: Datapath,
    frames: Collector,
    _heartbeat: Heartbeat,
    _log: KernelLog,
}

/// What came out of it.
struct Seen {
    frames: Frames,
    counts: DatapathCounts,
}

impl Tap {
    fn new(keep_duplicates: bool) -> Self {
        let kernel = Shared::open(RING_BYTES).expect("the kernel side");
        let frames = Collector::default();
        let options = DatapathOptions {
            gso_types: kernel.gso_types,
            keep_duplicates,
            ..DatapathOptions::default()
        };
        let datapath = Datapath::start(kernel.ring, options, vec![Box::new(frames.clone())])
            .expect("the datapath");
        Self {
            shared: kernel.shared,
            datapath,
            frames,
            _heartbeat: kernel.heartbeat,
            _log: kernel.log,
        }
    }

    fn attach(&self, end: &VethEnd, id: TargetId) -> Target {
        self.datapath.announce(id, Segment::Wire);
        Target::attach(
            &self.shared,
            id,
            &end.netns.open(),
            "eth0",
            &Direction::ALL,
            Hook::Auto,
        )
        .expect("a target")
    }

    fn finish(self, targets: impl IntoIterator<Item = Target>) -> Seen {
        for target in targets {
            // TCX links end with the target; clsact ones go with the veth.
            target.detach(None).expect("to detach");
        }
        let finished = self.datapath.finish();
        assert!(finished.error.is_none(), "{:?}", finished.error);
        Seen {
            frames: self.frames.take(),
            counts: finished.counts,
        }
    }
}

type End<'a> = (&'a VethEnd, std::net::IpAddr);

fn ends(veth: &Veth) -> (End<'_>, End<'_>) {
    let (pod, peer) = (&veth.pod, &veth.peer);
    ((pod, pod.ipv4), (peer, peer.ipv4))
}
