//! Where frames go.

mod lines;
mod pcapng;
mod tap;
mod tun_device;

use std::{fmt::Debug, io, path::PathBuf};

pub use lines::Lines;
pub use pcapng::Pcapng;
pub use tap::{Tap, TapError, TapName};
pub use tun_device::{TUN_DEVICE, TunDeviceError, open_tun_device};

use crate::model::{Frame, Ledger, TargetId};

/// Where frames go: a tap interface, a file, lines on a terminal.
pub trait Sink: Send + Debug {
    /// Takes one frame, whole.
    ///
    /// # Errors
    /// When nothing more can be delivered here. A frame that alone was not
    /// taken is [`Delivery::Refused`].
    fn deliver(&mut self, frame: &Frame<'_>) -> Result<Delivery, SinkError>;

    /// There is no frame to deliver just now: what is held back goes out.
    ///
    /// # Errors
    /// When nothing more can be delivered here.
    fn idle(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// No frame will come any more.
    ///
    /// # Errors
    /// When the end could not be written.
    fn finish(&mut self, statistics: &[TargetStatistics]) -> Result<(), SinkError> {
        let _ = statistics;
        self.idle()
    }
}

/// What became of one frame at one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The sink has it.
    Delivered,
    /// The sink would not take it.
    Refused,
}

/// True counts of one target at the end of its capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetStatistics {
    /// Which target.
    pub target_id: TargetId,
    /// First and last moment of the capture, nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// See `start_ns`.
    pub end_ns: u64,
    /// What became of every skb.
    pub ledger: Ledger,
    /// Records that no frame was made of.
    pub left_out: u64,
    /// Frames that were made.
    pub frames: u64,
    /// Frames of those that the sinks have.
    pub delivered: u64,
    /// Frames of those that nobody wanted any more.
    pub surplus: u64,
}

/// Why a sink takes nothing more.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A file or standard output could not be written.
    #[error("cannot write to {path}: {source}")]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl SinkError {
    /// Whether the reader of a pipe went away, which is a way to say `enough`.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        let Self::Write { source, .. } = self;
        source.kind() == io::ErrorKind::BrokenPipe
    }
}
