//! podtap's programs as the kernel lists them, whoever holds them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::Result;
use aya::programs::{SchedClassifier, TcAttachType, loaded_programs};
use xtask::cluster::{Cluster, proc::Process};

use crate::pod::Pod;

/// The programs of another podtap that runs on this computer.
pub struct Strangers(BTreeSet<u32>);

impl Strangers {
    /// Those that are loaded now, and that no process in the cluster holds:
    /// to be asked while the cluster's agents hold theirs.
    pub fn now(cluster: &Cluster) -> Self {
        let agents = cluster.nodes().iter().flat_map(|node| node.pod_processes());
        let ours = held_by(agents);
        let ids = ids_and_names().into_iter().map(|(id, _)| id);
        Self(ids.filter(|id| !ours.contains(id)).collect())
    }

    /// How many of podtap's programs are loaded, by name, without those of
    /// strangers, then and now. The cluster's processes live in other process
    /// namespaces than this one.
    pub fn without(&self) -> BTreeMap<String, usize> {
        let here = Process(std::process::id()).namespace("pid");
        let is_here = |process: &Process| process.namespace("pid") == here;
        let loaded = ids_and_names();
        let strangers = held_by(Process::all().into_iter().filter(is_here));
        let mut counts = BTreeMap::new();
        for (id, name) in loaded {
            if !self.0.contains(&id) && !strangers.contains(&id) {
                *counts.entry(name).or_default() += 1;
            }
        }
        counts
    }
}

fn ids_and_names() -> Vec<(u32, String)> {
    loaded_programs()
        // One that was unloaded meanwhile does not count.
        .flatten()
        .map(|program| {
            (
                program.id(),
                program.name_as_str().unwrap_or_default().to_owned(),
            )
        })
        .filter(|(_, name)| name.starts_with("podtap_"))
        .collect()
}

/// The programs that processes have descriptors of.
fn held_by(processes: impl Iterator<Item = Process>) -> BTreeSet<u32> {
    let mut held = BTreeSet::new();
    for process in processes {
        // A process or a descriptor that is gone holds nothing.
        let Ok(descriptors) = fs::read_dir(format!("/proc/{}/fdinfo", process.0)) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            let info = fs::read_to_string(descriptor.path()).unwrap_or_default();
            let id = info.lines().find_map(|line| line.strip_prefix("prog_id:"));
            held.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
        }
    }
    held
}

/// The programs on a pod's `eth0`: what it receives passes the first list,
/// what it sends the second.
pub fn attached(pod: &Pod) -> Result<[Vec<String>; 2]> {
    let names = |direction| {
        let (_, programs) = SchedClassifier::query_tcx("eth0", direction)?;
        let name = |program: &aya::programs::ProgramInfo| {
            program.name_as_str().unwrap_or_default().to_owned()
        };
        anyhow::Ok(programs.iter().map(name).collect::<Vec<_>>())
    };
    pod.netns()?
        .inside(|| Ok([names(TcAttachType::Ingress)?, names(TcAttachType::Egress)?]))?
}

/// What [`attached`] says of a pod that is not tapped.
pub const UNTAPPED: [Vec<String>; 2] = [Vec::new(), Vec::new()];

/// What it says of one that is tapped once.
pub fn tapped_once() -> [Vec<String>; 2] {
    ["podtap_in", "podtap_out"].map(|name| vec![name.to_owned()])
}
