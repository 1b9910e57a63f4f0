//! A tap interface, made ready for a sensor.
//!
//! In the network namespace of the calling process: the agent's own pod, which
//! its sensor shares.

use std::io;

use crate::adapter::{
    bpf::{Hook, ProgramsError, TapDrop},
    link::{Link, LinkError, Links},
    netns::{Netns, NetnsError},
    packet_sockets,
    sink::{Tap, TapError, TapName},
};

/// A tap's MTU in bytes, unless a target's is larger. Stock Zeek and Suricata
/// read frames of up to 9,216 bytes.
pub const TAP_MTU_BYTES: u32 = 9000;

/// The largest MTU of a tap: 65,535 bytes less an Ethernet header
/// (`tun_net_initialize` in drivers/net/tun.c). Longer frames are taken all
/// the same; readers that go by the MTU cut them.
const TAP_MTU_MAX_BYTES: u32 = 65_535 - 14;

/// What keeps a tap in order; the frames go to its [`Tap`].
#[derive(Debug)]
pub struct TapInterface {
    name: TapName,
    link: Link,
    mtu_bytes: u32,
    drop: TapDrop,
    keep: Keep,
}

/// Whether a tap outlives its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It stays: a sensor listens on it, now or later.
    Always,
    /// It stays only if it was there before.
    IfPresent,
}

/// Why a tap could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum TapSetupError {
    /// This process's own namespace cannot be looked into.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] TapError),
    /// It could not be set up.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Its frames could not be kept from the host.
    #[error(transparent)]
    Drop(#[from] ProgramsError),
}

impl TapInterface {
    /// Opens the tap, making it if it is not there, and sets it up. Nothing
    /// stays behind if that fails.
    ///
    /// # Errors
    /// When the name is taken or rights do not suffice.
    pub fn open(name: TapName, keep: Keep, hook: Hook) -> Result<(Self, Tap), TapSetupError> {
        Netns::current()?.inside(|| Self::open_here(name, keep, hook))?
    }

    fn open_here(name: TapName, keep: Keep, hook: Hook) -> Result<(Self, Tap), TapSetupError> {
        let links = Links::open()?;
        let was_there = links.by_name(name.as_str()).is_ok();
        let tap = Tap::open(&name)?;
        let link = links.by_name(name.as_str())?;
        // Dropped before it is persistent, a new tap is gone.
        let this = Self {
            drop: TapDrop::attach(name.as_str(), hook)?,
            name,
            link,
            mtu_bytes: TAP_MTU_BYTES,
            keep,
        };
        let set_up = || -> Result<(), TapSetupError> {
            links.set_up_mirror(&this.link, TAP_MTU_BYTES)?;
            if keep == Keep::Always && !was_there {
                tap.set_persistent(true)?;
            }
            Ok(())
        };
        match set_up() {
            Ok(()) => Ok((this, tap)),
            Err(error) => {
                // One that was there before is left as it was.
                this.remove_drop(&links)?;
                Err(error)
            }
        }
    }

    /// Makes room for frames of a target with this MTU.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn fit(&mut self, mtu_bytes: u32) -> Result<(), TapSetupError> {
        let mtu_bytes = mtu_bytes.min(TAP_MTU_MAX_BYTES);
        if mtu_bytes > self.mtu_bytes {
            Netns::current()?.inside(|| Links::open()?.set_up_mirror(&self.link, mtu_bytes))??;
            self.mtu_bytes = mtu_bytes;
        }
        Ok(())
    }

    /// How many packet sockets listen on it: a sensor has at least one.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn readers(&self) -> io::Result<usize> {
        packet_sockets::count_on(self.link.index)
    }

    /// Takes down what was attached to it. The interface stays, if it is to.
    ///
    /// # Errors
    /// When a filter cannot be removed.
    pub fn close(self) -> Result<(), TapSetupError> {
        let (name, keep) = (self.name.clone(), self.keep);
        Netns::current()?.inside(|| self.remove_drop(&Links::open()?))??;
        if keep == Keep::Always {
            tracing::info!(tap = %name, "the tap stays for its sensor");
        }
        Ok(())
    }

    /// The calling thread is in the tap's namespace.
    fn remove_drop(self, links: &Links) -> Result<(), TapSetupError> {
        // A tap that was not to stay went with its writer, and with it what
        // was attached.
        match links.by_name(self.name.as_str()) {
            Ok(present) if present.index == self.link.index => {}
            Ok(_) | Err(LinkError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if self.drop.remove().map_err(ProgramsError::from)? {
            links.remove_unused_clsact(self.link.index)?;
        }
        Ok(())
    }
}
