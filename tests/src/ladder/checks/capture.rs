//! A tapped pod with the whole of podtap's datapath behind it.

use std::num::NonZeroU32;

use tap_userspace::{
    adapter::bpf::Hook, agent::datapath::DatapathOptions, engine::framer::FramerCounts,
    model::TargetId,
};
use tests::{Collector, Frames, Tap, Veth, VethEnd};

use crate::quiet::{self, Reading};

/// Room for everything that a check sends.
const RING_BYTES: NonZeroU32 = NonZeroU32::new(1 << 25).expect("not 0");
const POD: TargetId = TargetId(1);

/// A running capture of a veth's `pod` end.
#[derive(Debug)]
pub(super) struct Capture<'a> {
    pod: &'a VethEnd,
    tap: Tap,
    frames: Collector,
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
        let frames = Collector::default();
        let mut tap = Tap::start(RING_BYTES, DatapathOptions::default(), frames.clone());
        tap.attach(POD, &veth.pod, hook);
        assert_eq!(tap.target(POD).hook(), hook);
        Self {
            pod: &veth.pod,
            tap,
            frames,
        }
    }

    /// Both counts of the same packets, once nothing moves.
    pub(super) fn read(&self) -> Reading {
        quiet::read(
            || self.tap.target(POD).ledger().expect("the ledger"),
            || self.pod.link().counters,
        )
    }

    /// Detaches and empties the ring. Panics unless every skb is accounted
    /// for, nothing was lost, and frames were made of all.
    pub(super) fn finish(self) -> Captured {
        let counts = self.tap.finish().framer;
        assert_eq!(counts.left_out(), 0, "{counts:?}");
        Captured {
            frames: self.frames.take(),
            counts,
        }
    }
}
