//! A tap interface, on which a sensor listens.
//!
//! Persistent: the interface, its index and the sensor's sockets on it outlive
//! the agent. Setting it up (MTU, no addresses, the program that keeps its
//! frames from the host) takes other adapters and happens one layer up.
#![allow(unsafe_code, reason = "one ioctl and a borrowed descriptor")]

use std::{
    fmt,
    io::{self, IoSlice},
    os::fd::{AsRawFd, BorrowedFd},
    str::FromStr,
};

use rustix::{
    io::{Errno, write, writev},
    ioctl::{IntegerSetter, ioctl, opcode},
};
use tun_tap::{Iface, Mode};

use super::{Delivery, Sink, SinkError};
use crate::model::{Frame, FrameBytes};

/// Name of a tap interface, checked as the kernel would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapName(String);

/// An open tap interface.
pub struct Tap {
    interface: Iface,
    /// A short frame whose head and payload lay apart, put together.
    whole: Vec<u8>,
}

/// Why a tap could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The name is none for an interface.
    #[error(
        "`{0}` is no name for a tap: 1 to {MAX_NAME_BYTES} bytes, no blank, `/`, `:` or `%`, not `.` or `..`"
    )]
    Name(String),
    /// The interface is there and something else.
    #[error("the name {0} is taken by an interface that is no single-queue tap: choose another")]
    Taken(TapName),
    /// Another process writes to it.
    #[error("the tap {0} is in use by another process: is there a podtap already?")]
    Busy(TapName),
    /// The tun device cannot be opened.
    #[error("cannot open /dev/net/tun for {name}: {source}; {}", advice(.source))]
    Open {
        /// Name of the tap.
        name: TapName,
        /// What the kernel said.
        source: io::Error,
    },
    /// It could not be made persistent.
    #[error("cannot make the tap {name} persistent: {source}")]
    Persist {
        /// Name of the tap.
        name: TapName,
        /// What the kernel said.
        source: io::Error,
    },
}

/// `IFNAMSIZ` of include/uapi/linux/if.h, less the zero at the end.
const MAX_NAME_BYTES: usize = 15;

/// `TUNSETPERSIST` of include/uapi/linux/if_tun.h: `_IOW('T', 203, int)`.
const TUNSETPERSIST: rustix::ioctl::Opcode = opcode::write::<i32>(b'T', 203);

/// Frames up to this are put together for one `write`, which in this place is
/// faster than a `writev` of two pieces (docs/performance.md). Longer ones,
/// where the copy is most of it, are not.
const WHOLE_MAX_BYTES: usize = 2048;

impl Tap {
    /// Opens the tap of that name, making it if it is not there.
    ///
    /// # Errors
    /// When the name is taken or the tun device may not be used.
    pub fn open(name: &TapName) -> Result<Self, TapError> {
        match Iface::without_packet_info(&name.0, Mode::Tap) {
            Ok(interface) => Ok(Self {
                interface,
                whole: Vec::with_capacity(WHOLE_MAX_BYTES),
            }),
            Err(source) => Err(match Errno::from_io_error(&source) {
                Some(Errno::BUSY) => TapError::Busy(name.clone()),
                Some(Errno::INVAL) => TapError::Taken(name.clone()),
                _ => TapError::Open {
                    name: name.clone(),
                    source,
                },
            }),
        }
    }

    /// Lets the interface outlive this process, or not.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_persistent(&self, persistent: bool) -> Result<(), TapError> {
        // SAFETY: TUNSETPERSIST takes an integer and no pointer
        // (`__tun_chr_ioctl` in drivers/net/tun.c).
        let request = unsafe { IntegerSetter::<TUNSETPERSIST>::new_usize(persistent.into()) };
        // SAFETY: the request is one of the tun device's, and this is one.
        unsafe { ioctl(self.descriptor(), request) }.map_err(|error| TapError::Persist {
            name: TapName(self.interface.name().into()),
            source: error.into(),
        })
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: the interface owns the descriptor and outlives the borrow.
        unsafe { BorrowedFd::borrow_raw(self.interface.as_raw_fd()) }
    }
}

impl Sink for Tap {
    /// Refused while the interface is down or the kernel has no memory.
    fn deliver(&mut self, frame: &Frame<'_>) -> Result<Delivery, SinkError> {
        let FrameBytes { head, payload } = frame.bytes;
        // Not through the C library, whose `write` in a process of several
        // threads is also a place to be cancelled at, twice an atomic
        // exchange.
        let written = if payload.is_empty() {
            write(self.descriptor(), head).is_ok()
        } else if frame.bytes.len() <= WHOLE_MAX_BYTES {
            self.whole.clear();
            self.whole.extend_from_slice(head);
            self.whole.extend_from_slice(payload);
            write(self.descriptor(), &self.whole).is_ok()
        } else {
            let parts = [IoSlice::new(head), IoSlice::new(payload)];
            writev(self.descriptor(), &parts).is_ok()
        };
        Ok(if written {
            Delivery::Delivered
        } else {
            Delivery::Refused
        })
    }
}

impl TapName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TapName {
    type Err = TapError;

    /// By the rules of `dev_valid_name` in net/core/dev.c; and without `%`,
    /// which the tun device takes for a pattern.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = (1..=MAX_NAME_BYTES).contains(&text.len())
            && text != "."
            && text != ".."
            && !text
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '%'));
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(TapError::Name(text.into()))
        }
    }
}

impl fmt::Display for TapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tap").field(&self.interface.name()).finish()
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "load the module tun, or mount the device into the container",
        io::ErrorKind::PermissionDenied => {
            "it needs CAP_NET_ADMIN and the container runtime's leave to use the device"
        }
        _ => "is the module tun loaded?",
    }
}
