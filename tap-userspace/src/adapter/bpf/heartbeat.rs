//! Tells the kernel programs that somebody reads the ring.

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use aya::maps::{Array, MapData, MapError};
use rustix::time::{ClockId, clock_gettime};
use tap_common::HEARTBEAT_INTERVAL_NS;

use super::SharedError;

/// Beats until it is dropped, on a thread of its own: neither a slow sink nor
/// a busy runtime may look like a dead agent.
#[derive(Debug)]
pub struct Heartbeat {
    // Dropped to stop the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Beats once, then every [`HEARTBEAT_INTERVAL_NS`].
    pub(super) fn start(mut beats: Array<MapData, u64>) -> Result<Self, SharedError> {
        const NAME: &str = "podtap-heart";
        beat(&mut beats).map_err(|source| SharedError::Map {
            name: tap_common::MAP_HEARTBEAT,
            source,
        })?;
        let (stop, stopped) = mpsc::channel::<()>();
        let run = move || {
            let interval = Duration::from_nanos(HEARTBEAT_INTERVAL_NS);
            let mut failing = false;
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let failed = beat(&mut beats);
                if let (Err(error), false) = (&failed, failing) {
                    tracing::error!(%error, "cannot write the heartbeat");
                }
                failing = failed.is_err();
            }
        };
        let thread = thread::Builder::new()
            .name(NAME.into())
            .spawn(run)
            .map_err(|source| thread_error(NAME, source))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked, and there is nothing to do if it had.
            let _ = thread.join();
        }
    }
}

fn beat(beats: &mut Array<MapData, u64>) -> Result<(), MapError> {
    beats.set(0, monotonic_ns(), 0)
}

/// `CLOCK_MONOTONIC` in nanoseconds: the clock of `bpf_ktime_get_ns`.
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + nanoseconds
}

pub(super) fn thread_error(name: &'static str, source: io::Error) -> SharedError {
    SharedError::Thread { name, source }
}
