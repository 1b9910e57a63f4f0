//! Finds a pod's network namespace: the process adapter looks, the namespace
//! and interface adapters see.

use std::{fs::File, io};

use crate::{
    adapter::{
        link::Links,
        netns::{Netns, NetnsError},
        process::{NamespaceView, ProcDir, ProcessError, Processes},
    },
    model::pod::Pod,
};

/// A pod's network namespace, open, and a process that lives in it.
#[derive(Debug)]
pub struct PodNetns {
    /// The namespace.
    pub netns: Netns,
    /// The process.
    pub pid: u32,
}

/// Why it could not be found.
#[derive(Debug, thiserror::Error)]
pub enum PodNetnsError {
    /// By the node's processes.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It was found and cannot be looked at.
    #[error(transparent)]
    Netns(#[from] NetnsError),
}

/// The network namespace of a pod of this node. `processes` is a scan that is
/// not older than the pod. Blocks.
///
/// # Errors
/// When no namespace, or more than one, can be the pod's.
pub fn find(proc: &ProcDir, pod: &Pod, processes: &Processes) -> Result<PodNetns, PodNetnsError> {
    let found = proc.pod_netns(pod, processes, inspect)?;
    let origin = proc.path().join(format!("{}/ns/net", found.pid));
    Ok(PodNetns {
        netns: Netns::from_file(found.file, origin)?,
        pid: found.pid,
    })
}

fn inspect(file: &File) -> io::Result<NamespaceView> {
    let netns = Netns::from_file(file.try_clone()?, "of a pod's process".into())
        .map_err(io::Error::other)?;
    netns
        .inside(|| {
            let links = Links::open().map_err(io::Error::other)?;
            let has_other_interface = links
                .list()
                .map_err(io::Error::other)?
                .iter()
                .any(|link| !link.is_loopback);
            Ok(NamespaceView {
                ips: links.addresses().map_err(io::Error::other)?,
                has_other_interface,
            })
        })
        .map_err(io::Error::other)?
}
