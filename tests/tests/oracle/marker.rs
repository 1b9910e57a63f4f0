//! A frame that says: all that was sent before has passed.

use tests::craft;

/// The end of one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker(pub(crate) u64);

impl Marker {
    pub(crate) fn frame(self) -> Vec<u8> {
        craft::marker(&format!("marker {:016x}", self.0))
    }

    pub(crate) fn is(self, frame: &[u8]) -> bool {
        frame == self.frame()
    }
}
