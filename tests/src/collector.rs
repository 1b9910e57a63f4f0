//! A sink that keeps every frame, to be looked at afterwards.

use std::sync::{Arc, Mutex};

use tap_common::Direction;
use tap_userspace::{
    adapter::sink::{Delivery, Sink, SinkError},
    model::Frame,
};

/// Frames with their directions, in the order in which they came.
pub type Frames = Vec<(Direction, Vec<u8>)>;

/// Keeps what it gets; a clone sees the same frames.
#[derive(Clone, Debug, Default)]
pub struct Collector(Arc<Mutex<Frames>>);

impl Collector {
    /// All of them; none are left.
    pub fn take(&self) -> Frames {
        std::mem::take(&mut self.0.lock().expect("the frames"))
    }
}

impl Sink for Collector {
    fn deliver(&mut self, frame: &Frame<'_>) -> Result<Delivery, SinkError> {
        let mut bytes = Vec::with_capacity(frame.bytes.len());
        bytes.extend_from_slice(frame.bytes.head);
        bytes.extend_from_slice(frame.bytes.payload);
        self.0
            .lock()
            .expect("the frames")
            .push((frame.direction, bytes));
        Ok(Delivery::Delivered)
    }
}
