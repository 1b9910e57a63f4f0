//! podtap's programs as the kernel lists them, whoever holds them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::Result;
use aya::programs::{SchedClassifier, TcAttachType, loaded_programs};
use xtask::cluster::proc::Process;

use crate::pod::Pod;

/// How many of podtap's programs are loaded, by name, in the whole kernel;
/// without those of another podtap that runs on this computer, outside the
/// cluster.
pub fn loaded() -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    let foreign = held_here()?;
    for program in loaded_programs() {
        // One that was unloaded meanwhile does not count.
        let Ok(program) = program else { continue };
        let name = program.name_as_str().unwrap_or_default().to_owned();
        if name.starts_with("podtap_") && !foreign.contains(&program.id()) {
            *counts.entry(name).or_default() += 1;
        }
    }
    Ok(counts)
}

/// The programs that processes beside this one have descriptors of. The
/// cluster's live in other process namespaces.
fn held_here() -> Result<BTreeSet<u32>> {
    let here = Process(std::process::id()).namespace("pid");
    let mut held = BTreeSet::new();
    for process in Process::all() {
        if process.namespace("pid") != here {
            continue;
        }
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
    Ok(held)
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
