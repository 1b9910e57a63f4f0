//! What the datapath did, in all and by target.

use std::collections::BTreeMap;

use crate::{
    engine::{delay::Delays, framer::FramerCounts},
    model::TargetId,
};

/// What the datapath did so far.
#[derive(Clone, Debug, Default)]
pub struct DatapathCounts {
    /// Records out of the ring.
    pub records: u64,
    /// Records of those that were none of this ABI.
    pub undecodable: u64,
    /// What the frame engine made of them.
    pub framer: FramerCounts,
    /// By target, those that [`Datapath::retire`] named left out.
    pub targets: BTreeMap<TargetId, TargetCounts>,
    /// From the kernel program to the last sink, one a record.
    pub delays: Delays,
    /// The retired targets together.
    pub retired: TargetCounts,
}

/// What the datapath did with one target's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetCounts {
    /// Records out of the ring.
    pub records: u64,
    /// Records of those that no frame was made of; the frame engine's counts
    /// say why.
    pub left_out: u64,
    /// Frames made from the others.
    pub frames: u64,
    /// Bytes of those frames.
    pub frame_bytes: u64,
    /// Frames that every sink has.
    pub delivered: u64,
    /// Frames that a sink refused.
    pub refused: u64,
    /// Frames that another target had already delivered.
    pub duplicates: u64,
    /// Frames made after the wanted number was reached, or after a sink's end.
    pub surplus: u64,
    /// When the first frame was seen, nanoseconds since the Unix epoch.
    pub first_frame_ns: Option<u64>,
}

impl DatapathCounts {
    /// All targets together, retired ones included.
    #[must_use]
    pub fn total(&self) -> TargetCounts {
        let mut total = self.retired;
        for counts in self.targets.values() {
            total.add(counts);
        }
        total
    }

    /// Moves a target's counts to the retired ones.
    pub(super) fn retire(&mut self, target: TargetId) {
        if let Some(counts) = self.targets.remove(&target) {
            self.retired.add(&counts);
        }
    }
}

impl TargetCounts {
    /// Adds another target's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.left_out += other.left_out;
        self.frames += other.frames;
        self.frame_bytes += other.frame_bytes;
        self.delivered += other.delivered;
        self.refused += other.refused;
        self.duplicates += other.duplicates;
        self.surplus += other.surplus;
        self.first_frame_ns = match (self.first_frame_ns, other.first_frame_ns) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
    }
}
