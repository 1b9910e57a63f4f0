//! A sink that keeps every frame, and tells who waits for one.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex},
};

use tap_common::Direction;
use tap_userspace::{
    adapter::sink::{Delivery, Sink, SinkError},
    model::Frame,
};
use tests::DEADLINE;

use crate::marker::Marker;

/// Keeps the frames of one direction; a clone sees the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    direction: Direction,
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    frames: Mutex<Vec<Vec<u8>>>,
    marked: Condvar,
}

impl Collector {
    pub(crate) fn new(direction: Direction) -> Self {
        Self {
            direction,
            kept: Arc::default(),
        }
    }

    /// How many frames there are.
    pub(crate) fn count(&self) -> usize {
        self.kept.frames.lock().expect("the frames").len()
    }

    /// All frames there are.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        mem::take(&mut *self.kept.frames.lock().expect("the frames"))
    }

    /// All frames up to the marker.
    pub(crate) fn take_until(&self, marker: Marker) -> Vec<Vec<u8>> {
        let frames = self.kept.frames.lock().expect("the frames");
        let position = |frames: &[Vec<u8>]| frames.iter().position(|frame| marker.is(frame));
        let (mut frames, _) = self
            .kept
            .marked
            .wait_timeout_while(frames, DEADLINE, |frames| position(frames).is_none())
            .expect("the frames");
        let Some(at) = position(&frames) else {
            panic!("podtap never delivered {marker:?}");
        };
        let after = frames.split_off(at + 1);
        frames.pop();
        mem::replace(&mut *frames, after)
    }
}

impl Sink for Collector {
    fn deliver(&mut self, frame: &Frame<'_>) -> Result<Delivery, SinkError> {
        if frame.direction == self.direction {
            let bytes = [frame.bytes.head, frame.bytes.payload].concat();
            let is_marker = Marker::is_one(&bytes);
            self.kept.frames.lock().expect("the frames").push(bytes);
            if is_marker {
                self.kept.marked.notify_all();
            }
        }
        Ok(Delivery::Delivered)
    }
}
