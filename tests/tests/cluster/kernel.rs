//! podtap's programs as the kernel lists them, whoever holds them.

use std::collections::BTreeMap;

use anyhow::Result;
use aya::programs::{SchedClassifier, TcAttachType, loaded_programs};

use crate::pod::Pod;

/// How many of podtap's programs are loaded, by name, in the whole kernel.
pub fn loaded() -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for program in loaded_programs() {
        // One that was unloaded meanwhile does not count.
        let Ok(program) = program else { continue };
        let name = program.name_as_str().unwrap_or_default().to_owned();
        if name.starts_with("podtap_") {
            *counts.entry(name).or_default() += 1;
        }
    }
    Ok(counts)
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
