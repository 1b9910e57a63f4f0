//! Reads records out of the ring.

use std::{io, ops::Deref, time::Duration};

use aya::maps::{Map, MapData, MapError, RingBuf};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    thread::nanosleep,
};

/// The user side of the ring buffer.
pub struct Ring(RingBuf<MapData>);

/// Why the ring could not be mapped or waited for.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// It could not be mapped into this process.
    #[error("cannot map the ring: {0}")]
    Map(#[from] MapError),
    /// Waiting for a record failed.
    #[error("cannot wait for the ring: {0}")]
    Poll(#[source] io::Error),
}

impl Ring {
    pub(super) fn new(map: Map) -> Result<Self, RingError> {
        Ok(Self(RingBuf::try_from(map)?))
    }

    /// The next record, whole reservation and all; `None` when the ring is
    /// empty. Its place is free again when it is dropped.
    pub fn pop(&mut self) -> Option<impl Deref<Target = [u8]> + '_> {
        self.0.next()
    }

    /// Lets records gather for so long, whether there are some already or not.
    ///
    /// The kernel side wakes the reader for a record that lies just where the
    /// reader stands, and for no other (kernel/bpf/ringbuf.c
    /// `bpf_ringbuf_commit`): an interrupt to its own CPU, which costs more
    /// than all of the rest of mirroring a small packet. Who drains the ring
    /// again as soon as there is a record is always there; who lets them
    /// gather costs one such interrupt each time.
    pub fn gather(&self, time: Duration) {
        // A signal that ends it early makes for a small gathering.
        let _ = nanosleep(&timespec(time));
    }

    /// Waits until there is a record or the time is over. An interrupting
    /// signal ends the wait early and is no error.
    ///
    /// # Errors
    /// When the kernel refuses to wait.
    pub fn wait(&self, timeout: Duration) -> Result<(), RingError> {
        let mut ring = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut ring, Some(&timespec(timeout))) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(RingError::Poll(error.into())),
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}
