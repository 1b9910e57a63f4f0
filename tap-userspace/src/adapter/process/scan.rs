//! Which processes belong to which pod.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{ProcessError, has_vanished};
use crate::engine::cgroup::pods_of;
use crate::model::pod::PodUid;

/// The processes of a node's pods at one moment, by the UID in their cgroups'
/// names.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    by_pod: HashMap<PodUid, Vec<u32>>,
}

impl Processes {
    /// The processes of one pod, in no order.
    #[must_use]
    pub fn of(&self, uid: &PodUid) -> &[u32] {
        self.by_pod.get(uid).map_or(&[], Vec::as_slice)
    }

    /// How many pods have a process.
    #[must_use]
    pub fn pods(&self) -> usize {
        self.by_pod.len()
    }
}

/// Reads the cgroups of every process.
pub(super) fn scan(proc: &Path) -> Result<Processes, ProcessError> {
    let failed = |source| ProcessError::Read {
        path: proc.to_owned(),
        source,
    };
    let mut processes = Processes::default();
    for entry in fs::read_dir(proc).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        for uid in pods_of_process(proc, pid)? {
            processes.by_pod.entry(uid).or_default().push(pid);
        }
    }
    Ok(processes)
}

/// The pods that a process belongs to; none if it has vanished.
pub(super) fn pods_of_process(proc: &Path, pid: u32) -> Result<Vec<PodUid>, ProcessError> {
    let path = cgroup_file(proc, pid);
    match fs::read(&path) {
        Ok(text) => Ok(pods_of(&text)),
        Err(error) if has_vanished(&error) => Ok(Vec::new()),
        Err(source) => Err(ProcessError::Read { path, source }),
    }
}

fn cgroup_file(proc: &Path, pid: u32) -> PathBuf {
    proc.join(pid.to_string()).join("cgroup")
}
