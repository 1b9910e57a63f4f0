//! A tapped pod with the whole of podtap's datapath behind it.

use std::num::NonZeroU32;

use tap_common::{Direction, Verdict};
use tap_userspace::{
    adapter::{
        bpf::{Heartbeat, Hook, KernelLog, Shared},
        netns::Netns,
    },
    agent::{
        datapath::{Datapath, DatapathOptions},
        target::Target,
    },
    engine::framer::FramerCounts,
    model::TargetId,
};
use tests::{Collector, Frames, Veth, VethEnd};

use crate::quiet::{self, Reading};

/// Room for everything that a check sends.
const RING_BYTES: NonZeroU32 = NonZeroU32::new(1 << 25).expect("not 0");

/// A running capture of a veth's `pod` end.
#[derive(Debug)]
pub(super) struct Capture<'a> {
    pod: &'a VethEnd,
    netns: Netns,
    target: Target,
    datapath: Datapath,
    frames: Collector,
    _heartbeat: Heartbeat,
    _log: KernelLog,
}

/// What it got.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) frames: Frames,
    /// What the frame engine did.
    pub(super) counts: FramerCounts,
}

impl<'a> Capture<'a> {
    pub(super) fn start(veth: &'a Veth, hook: Hook) -> Self {
        let kernel = Shared::open(RING_BYTES).expect("the kernel side");
        let frames = Collector::default();
        let datapath = Datapath::start(
            kernel.ring,
            DatapathOptions {
                gso_types: kernel.gso_types,
                ..DatapathOptions::default()
            },
            vec![Box::new(frames.clone())],
        )
        .expect("the datapath");
        let netns = veth.pod.netns.open();
        let target = Target::attach(
            &kernel.shared,
            TargetId(1),
            &netns,
            "eth0",
            &Direction::ALL,
            hook,
        )
        .expect("a target");
        assert_eq!(target.hook(), hook);
        Self {
            pod: &veth.pod,
            netns,
            target,
            datapath,
            frames,
            _heartbeat: kernel.heartbeat,
            _log: kernel.log,
        }
    }

    /// Both counts of the same packets, once nothing moves.
    pub(super) fn read(&self) -> Reading {
        quiet::read(
            || self.target.ledger().expect("the ledger"),
            || self.pod.link().counters,
        )
    }

    /// Detaches and empties the ring. Panics unless every skb is accounted
    /// for, and nothing was lost.
    pub(super) fn finish(self) -> Captured {
        let ledger = self.target.detach(Some(&self.netns)).expect("to detach");
        let finished = self.datapath.finish();
        assert!(finished.error.is_none(), "{:?}", finished.error);
        let counts = finished.counts;
        let total = ledger.total();
        let mirrored = total.count(Verdict::Mirrored).packets;
        // A packet may come by between attaching and enabling.
        let dormant = total.count(Verdict::Dormant).packets;
        assert!(ledger.closes(), "the ledger does not close: {ledger:?}");
        assert_eq!(
            mirrored, counts.records,
            "mirrored, and records out of the ring"
        );
        assert_eq!(
            mirrored + dormant,
            total.seen.packets,
            "some were lost: {total:?}"
        );
        assert_eq!(
            counts.undecodable + counts.framer.left_out(),
            0,
            "{counts:?}"
        );
        Captured {
            frames: self.frames.take(),
            counts: counts.framer,
        }
    }
}
