//! One packet's way through user space: ring, record, frames, sinks, on one
//! thread.
//!
//! The ring is the only queue. A sink that is slow fills it, and what then
//! does not fit is counted by the kernel programs; nothing in between holds
//! frames back or loses one.

mod counts;
mod outlet;

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub use counts::{DatapathCounts, TargetCounts};

use outlet::Outlet;

use crate::{
    adapter::{
        bpf::{Ring, RingError},
        sink::{Sink, SinkError},
    },
    engine::offload::GsoTypes,
    model::{Segment, TargetId},
};

/// How long the thread sleeps at most before it looks whether it shall stop.
const WAIT: Duration = Duration::from_millis(100);
/// How long records gather after the ring was emptied: what a packet on its
/// way to a sink may be late by, and how often a second the kernel side has to
/// wake the thread at most.
const GATHER: Duration = Duration::from_micros(500);
/// Records between two looks at the clock and the stop switch.
const BATCH_RECORDS: u32 = 256;
/// How often the real-time clock is compared with the monotonic one.
const RESAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// How records become frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct DatapathOptions {
    /// What the running kernel's `gso_type` means.
    pub gso_types: GsoTypes,
    /// Frames to deliver; then it says so through [`Datapath::ended`], and
    /// goes on to empty the ring.
    pub frame_limit: Option<u64>,
    /// Whether a packet between two targets is delivered as each of them sees
    /// it, and not once.
    pub keep_duplicates: bool,
}

/// The running datapath.
#[derive(Debug)]
pub struct Datapath {
    shared: Arc<SharedState>,
    /// Taken by [`Datapath::finish`].
    thread: Option<JoinHandle<Finished>>,
}

/// How the datapath ended.
#[derive(Debug, Default)]
pub struct Finished {
    /// The sinks, to be finished.
    pub sinks: Vec<Box<dyn Sink>>,
    /// What it did, to the last record.
    pub counts: DatapathCounts,
    /// What ended it early, if anything did.
    pub error: Option<DatapathError>,
}

/// Why the datapath ended early.
#[derive(Debug, thiserror::Error)]
pub enum DatapathError {
    /// The ring cannot be read.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// A sink takes nothing more.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

#[derive(Debug)]
struct SharedState {
    stop: AtomicBool,
    counts: Mutex<DatapathCounts>,
    /// When the thread told its counts last.
    published: Mutex<Instant>,
    /// Targets that are about to be enabled, and how their super-frames are
    /// cut.
    announced: Mutex<Vec<(TargetId, Segment)>>,
    /// Whether there are any: asked for each record.
    has_announced: AtomicBool,
    /// Targets that end, and are not yet counted as retired.
    retiring: Mutex<Vec<TargetId>>,
    /// Told once, when no more frames will be delivered.
    ended: tokio::sync::Notify,
}

struct Worker {
    ring: Ring,
    outlet: Outlet,
    shared: Arc<SharedState>,
}

impl Datapath {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        ring: Ring,
        options: DatapathOptions,
        sinks: Vec<Box<dyn Sink>>,
    ) -> io::Result<Self> {
        let shared = Arc::new(SharedState {
            stop: AtomicBool::new(false),
            counts: Mutex::default(),
            published: Mutex::new(Instant::now()),
            announced: Mutex::default(),
            has_announced: AtomicBool::new(false),
            retiring: Mutex::default(),
            ended: tokio::sync::Notify::new(),
        });
        let worker = Worker {
            ring,
            outlet: Outlet::new(options, sinks),
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new()
            .name("podtap-datapath".into())
            .spawn(|| worker.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// What it did up to at most a tenth of a second ago.
    #[must_use]
    pub fn counts(&self) -> DatapathCounts {
        self.shared
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// When the thread told its counts last: a few tenths of a second ago at
    /// most, as long as it does its work.
    #[must_use]
    pub fn published(&self) -> Instant {
        *self
            .shared
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a target is about to be enabled, and how its super-frames are
    /// to be cut.
    pub fn announce(&self, target: TargetId, segment: Segment) {
        self.shared.announced().push((target, segment));
        self.shared.has_announced.store(true, Ordering::Release);
    }

    /// Says that no more records of a target will be written: its counts are
    /// kept in [`DatapathCounts::retired`] from the next empty ring on.
    pub fn retire(&self, target: TargetId) {
        self.shared
            .retiring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(target);
    }

    /// Waits until nothing more will be delivered: the limit is reached or a
    /// sink failed.
    pub async fn ended(&self) {
        self.shared.ended.notified().await;
    }

    /// Empties the ring and ends. To be called when nothing writes to the ring
    /// any more, or nothing will soon: programs that are left to the next agent
    /// write until the heartbeat has run out, and what comes after the ring was
    /// empty is that one's.
    pub fn finish(mut self) -> Finished {
        self.shared.stop.store(true, Ordering::Release);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(finished)) => finished,
            Some(Err(cause)) => std::panic::resume_unwind(cause),
            None => Finished::default(),
        }
    }
}

impl Drop for Datapath {
    /// Left without [`Datapath::finish`], the thread ends by itself.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
    }
}

impl SharedState {
    fn announced(&self) -> MutexGuard<'_, Vec<(TargetId, Segment)>> {
        self.announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn run(mut self) -> Finished {
        let (mut resampled, mut published) = (Instant::now(), Instant::now());
        // When the ring was empty last.
        let mut records_before = 0;
        loop {
            // Read before the ring: what was written before the stop is
            // drained after it.
            let stop = self.shared.stop.load(Ordering::Acquire);
            let emptied = self.drain(BATCH_RECORDS);
            if self.outlet.has_ended() {
                self.shared.ended.notify_one();
            }
            let now = Instant::now();
            if now - resampled >= RESAMPLE_INTERVAL {
                self.outlet.resample();
                resampled = now;
            }
            if now - published >= WAIT {
                self.publish(now);
                published = now;
            }
            if !emptied {
                continue;
            }
            self.outlet.idle();
            self.retire();
            if stop {
                break;
            }
            if records_before != self.outlet.counts.records {
                // More is likely to come, and better by the batch.
                records_before = self.outlet.counts.records;
                self.ring.gather(GATHER);
                continue;
            }
            if let Err(error) = self.ring.wait(WAIT) {
                self.outlet.error.get_or_insert(error.into());
                self.shared.ended.notify_one();
                break;
            }
        }
        self.publish(Instant::now());
        let Outlet {
            sinks,
            counts,
            error,
            ..
        } = self.outlet;
        Finished {
            sinks,
            counts,
            error,
        }
    }

    /// Handles up to `most` records; true if the ring was empty before that.
    fn drain(&mut self, most: u32) -> bool {
        for _ in 0..most {
            let Some(item) = self.ring.pop() else {
                return true;
            };
            // A look first: an exchange is a locked instruction, and this is
            // the way of each record.
            if self.shared.has_announced.load(Ordering::Acquire)
                && self.shared.has_announced.swap(false, Ordering::Acquire)
            {
                self.outlet
                    .standing
                    .extend(self.shared.announced().drain(..));
            }
            self.outlet.take(&item);
        }
        false
    }

    /// The ring is empty: what was told before is all there is.
    fn retire(&mut self) {
        let mut retiring = self
            .shared
            .retiring
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if retiring.is_empty() {
            return;
        }
        // One that ends may have been announced and never heard of.
        self.outlet
            .standing
            .extend(self.shared.announced().drain(..));
        for target in retiring.drain(..) {
            self.outlet.counts.retire(target);
            self.outlet.standing.remove(&target);
        }
    }

    fn publish(&self, now: Instant) {
        let mut counts = self
            .shared
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        counts.clone_from(&self.outlet.counts);
        *self
            .shared
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = now;
    }
}

impl DatapathError {
    /// Whether the reader of a pipe went away, which is a way to say `enough`.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Sink(error) if error.is_closed_pipe())
    }
}
