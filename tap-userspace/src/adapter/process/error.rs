//! What can go wrong on the way from a pod to its network namespace.

use std::io;
use std::path::PathBuf;

use crate::model::pod::{Pod, PodUid};
use crate::model::refusal::Refusal;

/// A failed step.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A node's `/proc`, or a process in it, could not be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A process is there and its namespace must not be looked at.
    #[error(
        "cannot open {}: {source} (it takes CAP_SYS_PTRACE, and an AppArmor profile that allows it)",
        .path.display()
    )]
    Open {
        /// The link to the namespace.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A namespace could not be looked into.
    #[error("cannot look into network namespace {inode} of process {pid}: {source}")]
    Inspect {
        /// Inode of the namespace.
        inode: u64,
        /// A process that lives in it.
        pid: u32,
        /// The reason.
        source: io::Error,
    },
    /// It has not started yet, or is gone.
    #[error("no process of pod {uid} is there")]
    NoProcess {
        /// The UID that was looked for in the cgroups' names.
        uid: PodUid,
    },
    /// Its namespace is not set up yet, or it has none of its own.
    #[error(
        "none of the {count} network namespaces of pod {uid}'s processes can be its own: none \
         holds an address of the pod or has an interface beside lo"
    )]
    NoneFits {
        /// The UID that was looked for in the cgroups' names.
        uid: PodUid,
        /// Namespaces seen, without the node's.
        count: usize,
    },
    /// A process of the pod made a namespace that looks like the pod's.
    #[error("{count} network namespaces of pod {uid}'s processes could be its own")]
    Ambiguous {
        /// The UID that was looked for in the cgroups' names.
        uid: PodUid,
        /// Namespaces that could be it.
        count: usize,
    },
}

impl ProcessError {
    /// Whether it is as it is with every pod that has just been started or
    /// has just ended, so that nobody needs to hear of it at once.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::NoProcess { .. } | Self::NoneFits { .. })
    }

    /// What the pod's owner is told if it stays so.
    #[must_use]
    pub fn refusal(&self, pod: &Pod) -> Refusal {
        match self {
            Self::NoProcess { .. } | Self::NoneFits { .. } => Refusal::NetnsNotFound,
            Self::Ambiguous { count, .. } => Refusal::NetnsAmbiguous {
                count: *count,
                ips: pod.ips.clone(),
            },
            Self::Read { .. } | Self::Open { .. } | Self::Inspect { .. } => Refusal::AttachFailed {
                what: self.to_string(),
            },
        }
    }
}

/// Whether an error says that the process is no more: its directory is gone
/// (`ENOENT`), or was opened before it went (`ESRCH`).
pub(super) fn has_vanished(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}
