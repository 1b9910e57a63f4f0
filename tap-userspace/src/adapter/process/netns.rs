//! A pod's own network namespace among those of its processes.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{ProcessError, has_vanished};
use super::scan::{Processes, pods_of_process};
use crate::model::pod::{Pod, PodUid};

/// A pod's network namespace, held open. It keeps the namespace and the
/// interfaces in it alive: not to be kept for longer than a step takes.
#[derive(Debug)]
pub struct PodNetns {
    /// Its identity as long as it exists.
    pub inode: u64,
    /// The opened `/proc/PID/ns/net`.
    pub file: File,
    /// A process of the pod that lives in it.
    pub pid: u32,
}

/// What there is to see in a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceView {
    /// The addresses of all its interfaces.
    pub ips: Vec<IpAddr>,
    /// Whether it has an interface beside `lo`.
    pub has_other_interface: bool,
}

/// Finds the namespace of a pod.
pub(super) fn find(
    proc: &Path,
    pod: &Pod,
    processes: &Processes,
    mut inspect: impl FnMut(&File) -> io::Result<NamespaceView>,
) -> Result<PodNetns, ProcessError> {
    let uid = pod.cgroup_uid();
    let mut seen = Vec::new();
    for netns in distinct(proc, uid, processes)? {
        let view = inspect(&netns.file).map_err(|source| ProcessError::Inspect {
            inode: netns.inode,
            pid: netns.pid,
            source,
        })?;
        seen.push((netns, view));
    }
    let count = seen.len();
    let holds_ip = |view: &NamespaceView| view.ips.iter().any(|ip| pod.ips.contains(ip));
    let any_holds_ip = seen.iter().any(|(_, view)| holds_ip(view));
    let mut fitting = seen.into_iter().filter(|(_, view)| {
        if any_holds_ip {
            holds_ip(view)
        } else {
            view.has_other_interface
        }
    });
    let Some((netns, _)) = fitting.next() else {
        let uid = uid.clone();
        return Err(ProcessError::NoneFits { uid, count });
    };
    match fitting.count() {
        0 => Ok(netns),
        others => Err(ProcessError::Ambiguous {
            uid: uid.clone(),
            count: others + 1,
        }),
    }
}

/// The namespaces of a pod's processes, each once, without the node's.
fn distinct(
    proc: &Path,
    uid: &PodUid,
    processes: &Processes,
) -> Result<Vec<PodNetns>, ProcessError> {
    let node_inode = node_inode(proc)?;
    let mut found: Vec<PodNetns> = Vec::new();
    let mut alive = false;
    for &pid in processes.of(uid) {
        let Some(netns) = open(proc, pid)? else {
            continue;
        };
        // Opened first and confirmed then: if the process had ended and its
        // number was given to another one, the cgroup says so.
        if !pods_of_process(proc, pid)?.contains(uid) {
            continue;
        }
        alive = true;
        if netns.inode != node_inode && found.iter().all(|other| other.inode != netns.inode) {
            found.push(netns);
        }
    }
    if alive {
        Ok(found)
    } else {
        Err(ProcessError::NoProcess { uid: uid.clone() })
    }
}

/// Opens a process's namespace; `None` if the process has vanished.
fn open(proc: &Path, pid: u32) -> Result<Option<PodNetns>, ProcessError> {
    let path = ns_link(proc, pid);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if has_vanished(&error) => return Ok(None),
        Err(source) => return Err(ProcessError::Open { path, source }),
    };
    // The inode of the opened namespace is the number in the link's text,
    // `net:[NUMBER]` (ns_get_name and ns_get_path in the kernel's fs/nsfs.c).
    match file.metadata() {
        Ok(metadata) => Ok(Some(PodNetns {
            inode: metadata.ino(),
            file,
            pid,
        })),
        Err(source) => Err(ProcessError::Read { path, source }),
    }
}

/// Identity of the node's own namespace: the one its process 1 lives in.
fn node_inode(proc: &Path) -> Result<u64, ProcessError> {
    let path = ns_link(proc, 1);
    match fs::metadata(&path) {
        Ok(metadata) => Ok(metadata.ino()),
        Err(source) => Err(ProcessError::Open { path, source }),
    }
}

fn ns_link(proc: &Path, pid: u32) -> PathBuf {
    proc.join(pid.to_string()).join("ns/net")
}
