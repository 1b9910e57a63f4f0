//! Finds a pod's network namespace by a node's `/proc`. No container runtime
//! is asked.
//!
//! Everything here blocks; for an async caller it belongs on a thread of its
//! own.

mod error;
mod netns;
pub mod own;
mod scan;

pub use error::ProcessError;
pub use netns::{NamespaceView, PodNetns};
pub use scan::Processes;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::pod::Pod;

/// A node's `/proc`, here or mounted elsewhere.
#[derive(Clone, Debug)]
pub struct ProcDir {
    path: PathBuf,
}

impl ProcDir {
    /// The directory as it is mounted, `/proc` or `/host/proc`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which processes belong to which pod. One scan serves for all the pods
    /// that are looked up right after it.
    ///
    /// # Errors
    /// When the directory, or a process that stays, cannot be read.
    pub fn scan(&self) -> Result<Processes, ProcessError> {
        scan::scan(&self.path)
    }

    /// The network namespace of a pod: among those of its processes, and
    /// without the node's, the one that holds an address of the pod, else the
    /// only one with an interface beside `lo`.
    ///
    /// `inspect` looks into an opened namespace. No process found may only
    /// mean that the scan is older than the pod.
    ///
    /// # Errors
    /// When no namespace, or more than one, can be the pod's, and when the
    /// processes' namespaces cannot be read or looked into.
    pub fn pod_netns(
        &self,
        pod: &Pod,
        processes: &Processes,
        inspect: impl FnMut(&File) -> io::Result<NamespaceView>,
    ) -> Result<PodNetns, ProcessError> {
        netns::find(&self.path, pod, processes, inspect)
    }
}
