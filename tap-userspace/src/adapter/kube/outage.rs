//! How long the API server has been away.

use std::time::Instant;

/// One outage at a time.
#[derive(Debug, Default)]
pub(super) struct Outage {
    since: Option<Instant>,
}

impl Outage {
    /// It begins; if one has begun already, that one goes on.
    pub(super) fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// It ends. Gives its length in whole seconds, if there was one.
    pub(super) fn end(&mut self) -> Option<u64> {
        self.since.take().map(|since| since.elapsed().as_secs())
    }
}
