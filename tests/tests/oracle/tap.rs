//! podtap on one interface, asking for metadata in one way.

use std::num::NonZeroU32;

use tap_common::{Direction, Metadata};
use tap_userspace::{
    adapter::bpf::{Hook, MetadataWay, SharedOptions},
    agent::datapath::DatapathOptions,
    engine::framer::FramerCounts,
    model::TargetId,
};
use tests::{Collector, Frames, VethEnd};

use crate::marker::Marker;

/// Room for all that is on its way at once.
const RING_BYTES: NonZeroU32 = NonZeroU32::new(1 << 25).expect("not 0");

/// Each way to know an skb. This kernel has them all.
pub(crate) const RUNGS: [Metadata; 3] = [Metadata::Kfuncs, Metadata::ProbeReads, Metadata::Helpers];

/// A running tap of an end's `eth0`, and the frames of one direction.
#[derive(Debug)]
pub(crate) struct Tap {
    tap: tests::Tap,
    frames: Collector,
}

/// What it ended with.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) counts: FramerCounts,
    /// Frames that nobody took before.
    pub(crate) frames: Vec<Vec<u8>>,
}

impl Tap {
    pub(crate) fn start(end: &VethEnd, direction: Direction, metadata: Metadata) -> Self {
        let options = SharedOptions {
            ring_bytes: RING_BYTES,
            metadata: MetadataWay::Only(metadata),
            pins: None,
        };
        let frames = Collector::of(direction);
        let mut tap = tests::Tap::start(options, DatapathOptions::default(), frames.clone());
        tap.attach(TargetId(1), end, Hook::Auto);
        Self { tap, frames }
    }

    /// How many frames there are.
    pub(crate) fn count(&self) -> usize {
        self.frames.count()
    }

    /// All frames up to the marker.
    pub(crate) fn take_until(&self, marker: Marker) -> Vec<Vec<u8>> {
        let frames = self.frames.take_until(&marker.frame());
        bytes(frames.unwrap_or_else(|| panic!("podtap never delivered {marker:?}")))
    }

    /// Detaches and empties the ring. Panics unless every skb that was seen
    /// came out of it.
    pub(crate) fn finish(self) -> Ended {
        Ended {
            counts: self.tap.finish().framer,
            frames: bytes(self.frames.take()),
        }
    }
}

fn bytes(frames: Frames) -> Vec<Vec<u8>> {
    frames.into_iter().map(|(_, bytes)| bytes).collect()
}
