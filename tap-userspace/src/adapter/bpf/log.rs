//! What the kernel programs log, brought to `tracing`.
//!
//! The programs log the first packet of each costly verdict on each CPU and
//! nothing else. aya-log hands records to the `log` crate, and the subscriber
//! that the binary installs takes those too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use aya::Ebpf;
use aya_log::EbpfLogger;
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    fd::OwnedFd,
    io::write,
};

use super::{SharedError, heartbeat::thread_error};

/// Name of aya-log's map in the object.
pub(super) const MAP_LOG: &str = "AYA_LOGS";

/// Forwards until it is dropped.
#[derive(Debug)]
pub struct KernelLog {
    stopped: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl KernelLog {
    /// Takes the log map of any object that was loaded on the shared maps:
    /// they all write to the same one.
    pub(super) fn start(object: &mut Ebpf) -> Result<Self, SharedError> {
        const NAME: &str = "podtap-log";
        let mut logger = EbpfLogger::init(object).map_err(SharedError::Log)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let wake =
            eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| thread_error(NAME, error.into()))?;
        let wake = Arc::new(wake);
        let run = {
            let (stopped, wake) = (Arc::clone(&stopped), Arc::clone(&wake));
            move || {
                while !stopped.load(Ordering::Acquire) {
                    let mut fds = [
                        PollFd::new(&logger, PollFlags::IN),
                        PollFd::new(&*wake, PollFlags::IN),
                    ];
                    // An interrupted poll is as good as a wake-up.
                    let _ = poll(&mut fds, None);
                    logger.flush();
                }
            }
        };
        let thread = thread::Builder::new()
            .name(NAME.into())
            .spawn(run)
            .map_err(|source| thread_error(NAME, source))?;
        Ok(Self {
            stopped,
            wake,
            thread: Some(thread),
        })
    }
}

impl Drop for KernelLog {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // A full counter would be readable just the same.
        let _ = write(&*self.wake, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked, and there is nothing to do if it had.
            let _ = thread.join();
        }
    }
}
