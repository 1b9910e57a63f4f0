//! Where a classifier hangs on an interface: TCX, or clsact below Linux 6.6.
//!
//! A TCX link is a descriptor: it goes when its owner goes, unless it is
//! pinned. A clsact filter is an entry in the interface's network namespace: it
//! has to be taken away from within.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use aya::pin::PinError;
use aya::programs::{
    LinkOrder, ProgramError, SchedClassifier, TcAttachType,
    links::{FdLink, LinkError, PinnedLink},
    tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcError, TcHandle, qdisc_add_clsact},
};
use tap_common::Direction;

use super::filter_priority;
use crate::model::one_line;

/// Which of the kernel's two ways to hang a classifier on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Hook {
    /// TCX where the kernel has it and grants it, else clsact.
    #[default]
    Auto,
    /// TCX at the head of the chain: Linux 6.6 and later.
    Tcx,
    /// A filter of the clsact qdisc, before those that are there.
    Clsact,
}

impl FromStr for Hook {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "tcx" => Ok(Self::Tcx),
            "clsact" => Ok(Self::Clsact),
            other => Err(format!("`{other}` is none of auto, tcx, clsact")),
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        })
    }
}

/// Why a classifier could not be hung up or taken down.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// TCX was asked for by name and refused.
    #[error("cannot attach through TCX to {interface}: {}", one_line(.source))]
    Tcx {
        /// Name of the interface.
        interface: String,
        /// What the kernel said.
        source: ProgramError,
    },
    /// The clsact qdisc could not be added.
    #[error("cannot add a clsact qdisc to {interface}: {}", one_line(.source))]
    Qdisc {
        /// Name of the interface.
        interface: String,
        /// What the kernel said.
        source: TcError,
    },
    /// The filters that are there could not be listed.
    #[error("cannot list the clsact filters of {interface}: {source}")]
    Filters {
        /// Name of the interface.
        interface: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The clsact filter could not be added.
    #[error("cannot add a clsact filter to {interface}: {}", one_line(.source))]
    Filter {
        /// Name of the interface.
        interface: String,
        /// What the kernel said.
        source: ProgramError,
    },
    /// The link that aya keeps could not be taken from it.
    #[error("cannot take the link on {interface}: {}", one_line(.source))]
    Link {
        /// Name of the interface.
        interface: String,
        /// What aya said.
        source: LinkError,
    },
    /// A link could not be pinned.
    #[error("cannot pin a link at {}: {}", path.display(), one_line(.source))]
    Pin {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: PinError,
    },
    /// The pin of a link that leads nowhere could not be removed.
    #[error("cannot remove the pin {}: {source}", path.display())]
    Unpin {
        /// Where it is.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The clsact filter could not be taken away.
    #[error("cannot remove the clsact filter from {interface}: {source}")]
    Remove {
        /// Name of the interface.
        interface: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// One classifier on one interface.
#[derive(Debug)]
pub(super) enum Hooked {
    /// Ends when dropped, wherever that happens, if it is not pinned.
    Tcx(#[expect(dead_code, reason = "held for its drop")] FdLink),
    /// Ends by [`Hooked::remove`], called inside the namespace.
    Clsact {
        attach_type: TcAttachType,
        priority: u16,
        handle: TcHandle,
        /// Whether the qdisc was not there before.
        added_qdisc: bool,
    },
}

/// Hangs a loaded classifier on an interface of the network namespace that the
/// calling thread is in. A link that is pinned at `pin` is taken over: the
/// classifier replaces the one that hangs there, without a gap. Else a new TCX
/// link is pinned there.
pub(super) fn attach(
    program: &mut SchedClassifier,
    interface: &str,
    direction: Direction,
    hook: Hook,
    pin: Option<&Path>,
) -> Result<Hooked, HookError> {
    if let Some(pin) = pin
        && hook != Hook::Clsact
        && let Some(link) = take_over(program, interface, pin)?
    {
        return Ok(Hooked::Tcx(link));
    }
    let attach_type = match direction {
        Direction::In => TcAttachType::Ingress,
        Direction::Out => TcAttachType::Egress,
    };
    match hook {
        Hook::Clsact => attach_clsact(program, interface, attach_type),
        Hook::Tcx => attach_tcx(program, interface, attach_type, pin),
        Hook::Auto => match attach_tcx(program, interface, attach_type, pin) {
            Err(error @ HookError::Tcx { .. }) => {
                tracing::debug!(%error, "no TCX here, trying clsact");
                attach_clsact(program, interface, attach_type)
            }
            other => other,
        },
    }
}

/// Puts the classifier into the link that is pinned there; `None` if there is
/// none, or its interface is gone, as after a namespace's number was used again.
fn take_over(
    program: &mut SchedClassifier,
    interface: &str,
    pin: &Path,
) -> Result<Option<FdLink>, HookError> {
    let Ok(pinned) = PinnedLink::from_pin(pin) else {
        return Ok(None);
    };
    let no_link = |source| HookError::Link {
        interface: interface.into(),
        source,
    };
    let link = SchedClassifierLink::try_from(FdLink::from(pinned)).map_err(no_link)?;
    let replaced = program
        .attach_to_link(link)
        .and_then(|id| program.take_link(id));
    match replaced {
        Ok(link) => FdLink::try_from(link).map(Some).map_err(no_link),
        Err(error) => {
            tracing::debug!(interface, %error, "a pinned link is not to be taken over");
            fs::remove_file(pin).map_err(|source| HookError::Unpin {
                path: pin.into(),
                source,
            })?;
            Ok(None)
        }
    }
}

fn attach_tcx(
    program: &mut SchedClassifier,
    interface: &str,
    attach_type: TcAttachType,
    pin: Option<&Path>,
) -> Result<Hooked, HookError> {
    let link = program
        .attach_with_options(
            interface,
            attach_type,
            TcAttachOptions::TcxOrder(LinkOrder::first()),
        )
        .and_then(|id| program.take_link(id))
        .map_err(|source| HookError::Tcx {
            interface: interface.into(),
            source,
        })?;
    let link = FdLink::try_from(link).map_err(|source| HookError::Link {
        interface: interface.into(),
        source,
    })?;
    let link = match pin {
        Some(pin) => link
            .pin(pin)
            .map_err(|source| HookError::Pin {
                path: pin.into(),
                source,
            })?
            .into(),
        None => link,
    };
    Ok(Hooked::Tcx(link))
}

fn attach_clsact(
    program: &mut SchedClassifier,
    interface: &str,
    attach_type: TcAttachType,
) -> Result<Hooked, HookError> {
    let added_qdisc = match qdisc_add_clsact(interface) {
        Ok(()) => true,
        // aya leaves this one as the kernel said it.
        Err(TcError::NetlinkError(error)) if error.raw_os_error() == Some(libc::EEXIST) => false,
        Err(source) => {
            return Err(HookError::Qdisc {
                interface: interface.into(),
                source,
            });
        }
    };
    let filter_error = |source| HookError::Filter {
        interface: interface.into(),
        source,
    };
    let priority = filter_priority::before_all(interface, attach_type).map_err(|source| {
        HookError::Filters {
            interface: interface.into(),
            source,
        }
    })?;
    let mut add = |priority| {
        let options = NlOptions {
            priority,
            ..NlOptions::default()
        };
        program
            .attach_with_options(interface, attach_type, TcAttachOptions::Netlink(options))
            .and_then(|id| program.take_link(id))
    };
    let link = match add(priority) {
        // Another kind of filter has the very first priority.
        Err(error) if priority == 1 => {
            tracing::warn!(interface, %error, "a foreign filter comes first: what it stops is not seen");
            add(0)
        }
        other => other,
    }
    .map_err(filter_error)?;
    let hooked = Hooked::Clsact {
        attach_type,
        priority: link.priority().map_err(filter_error)?,
        handle: link.handle().map_err(filter_error)?,
        added_qdisc,
    };
    // aya's link would remove the filter by interface index from whatever
    // namespace its drop happens in.
    std::mem::forget(link);
    Ok(hooked)
}

impl Hooked {
    /// Takes the classifier down. The calling thread is in the interface's
    /// namespace, and the interface is still the one that was attached to.
    /// True if a clsact qdisc was added for it, which stays.
    pub(super) fn remove(self, interface: &str) -> Result<bool, HookError> {
        let Self::Clsact {
            attach_type,
            priority,
            handle,
            added_qdisc,
        } = self
        else {
            return Ok(false);
        };
        let remove = || -> io::Result<()> {
            use aya::programs::links::Link as _;
            SchedClassifierLink::attached(interface, attach_type, priority, handle, None)?
                .detach()
                .map_err(io::Error::other)
        };
        remove().map_err(|source| HookError::Remove {
            interface: interface.into(),
            source,
        })?;
        Ok(added_qdisc)
    }
}
