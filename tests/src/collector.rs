//! A sink that keeps every frame, to be looked at.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use tap_common::Direction;
use tap_userspace::{
    adapter::sink::{Delivery, Sink, SinkError},
    model::Frame,
};

use crate::DEADLINE;

/// Frames with their directions, in the order in which they came.
pub type Frames = Vec<(Direction, Vec<u8>)>;

/// Keeps what it gets; a clone sees the same frames.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    /// The one direction that it keeps, unless it keeps both.
    only: Option<Direction>,
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    frames: Mutex<Frames>,
    /// Told when there are no more just now.
    idle: Condvar,
}

impl Collector {
    /// Keeps the frames of one direction.
    #[must_use]
    pub fn of(direction: Direction) -> Self {
        Self {
            only: Some(direction),
            kept: Arc::default(),
        }
    }

    /// How many frames there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept.frames().len()
    }

    /// All of them; none are left.
    #[must_use]
    pub fn take(&self) -> Frames {
        mem::take(&mut *self.kept.frames())
    }

    /// All of them up to the first with these bytes, for which it waits and
    /// which it drops; `None` if that does not come before the deadline.
    #[must_use]
    pub fn take_until(&self, last: &[u8]) -> Option<Frames> {
        let mut looked_at = 0;
        let mut found = None;
        let (mut frames, _) = self
            .kept
            .idle
            .wait_timeout_while(self.kept.frames(), DEADLINE, |frames| {
                let new = &frames[looked_at..];
                found = new.iter().position(|(_, bytes)| bytes == last);
                found = found.map(|at| looked_at + at);
                looked_at = frames.len();
                found.is_none()
            })
            .expect("the frames");
        let after = frames.split_off(found? + 1);
        frames.pop();
        Some(mem::replace(&mut *frames, after))
    }
}

impl Kept {
    fn frames(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock().expect("the frames")
    }
}

impl Sink for Collector {
    fn deliver(&mut self, frame: &Frame<'_>) -> Result<Delivery, SinkError> {
        if self.only.is_none_or(|only| only == frame.direction) {
            let bytes = [frame.bytes.head, frame.bytes.payload].concat();
            self.kept.frames().push((frame.direction, bytes));
        }
        Ok(Delivery::Delivered)
    }

    fn idle(&mut self) -> Result<(), SinkError> {
        self.kept.idle.notify_all();
        Ok(())
    }
}
