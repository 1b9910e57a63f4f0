//! A wire-true Ethernet frame on its way to a sink.

use tap_common::Direction;

use super::TargetId;

/// The bytes of one Ethernet frame, in two parts so that the payload of a
/// super-frame is never copied just to be cut: the wire carries `head`, then
/// `payload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameBytes<'a> {
    /// The headers, rewritten where the wire would have other ones; of a
    /// frame that needs no rewriting, all of it.
    pub head: &'a [u8],
    /// What follows them, straight from the record; may be empty.
    pub payload: &'a [u8],
}

impl FrameBytes<'_> {
    /// Length on the wire in bytes, without the frame check sequence.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// Whether there is no byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A frame with where and when it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The target whose interface carried it.
    pub target_id: TargetId,
    /// From the pod's point of view.
    pub direction: Direction,
    /// Nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// Its bytes, whole.
    pub bytes: FrameBytes<'a>,
}
