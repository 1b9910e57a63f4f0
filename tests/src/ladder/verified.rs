//! What the verifier says of each program: instructions and stack.
//!
//! aya asks the verifier for a log only when it refuses. So each program is
//! loaded once more here, from the same object, with the statistics asked for;
//! Linux 5.16 and later tell the instructions of podtap's own load as well,
//! and then that number counts.

use std::{
    collections::{HashMap, HashSet},
    fmt, fs,
    num::NonZeroU32,
    os::fd::{AsFd as _, AsRawFd as _},
};

use anyhow::{Context as _, Result};
use aya::{maps::MapData, programs::loaded_programs};
use aya_obj::Object;
use tap_common::{Direction, LinkLayer};
use tap_userspace::{
    adapter::bpf::{Programs, Shared},
    model::TargetId,
};

use crate::verifier;

/// The objects as they are inside podtap.
const OBJECTS: [&str; 2] = ["/bpf/classifier", "/bpf/drop"];

/// One program's figures on this kernel.
#[derive(Debug)]
pub(crate) struct Verified {
    name: String,
    /// Instructions that the verifier walked through.
    instructions: u32,
    stack_bytes: u32,
    /// Where the instructions come from.
    source: &'static str,
}

/// The figures of every program that podtap has.
pub(crate) fn programs() -> Result<Vec<Verified>> {
    let told = told()?;
    let mut all = Vec::new();
    for path in OBJECTS {
        let bytes = fs::read(path).context(path)?;
        let mut verified = again(&bytes).with_context(|| format!("loading {path} again"))?;
        verified.sort_by(|one, other| one.name.cmp(&other.name));
        all.extend(verified);
    }
    for program in &mut all {
        if let Some(instructions) = told.get(&program.name) {
            program.instructions = *instructions;
            program.source = "bpf_prog_info";
        }
    }
    Ok(all)
}

/// What the kernel tells of podtap's own load, by program.
fn told() -> Result<HashMap<String, u32>> {
    let kernel = Shared::open(NonZeroU32::new(1 << 20).context("0")?)?;
    let _loaded = Programs::load(
        &kernel.shared,
        TargetId(1),
        LinkLayer::Ethernet,
        &Direction::ALL,
        None,
    )?;
    let told = loaded_programs()
        .filter_map(Result::ok)
        .filter_map(|program| {
            let name = program.name_as_str()?.to_owned();
            Some((name, program.verified_instruction_count()?))
        });
    Ok(told.collect())
}

/// Loads an object's programs with the verifier's statistics.
fn again(bytes: &[u8]) -> Result<Vec<Verified>> {
    let mut object = Object::parse(bytes)?;
    let mut maps = Vec::new();
    for (name, map) in &object.maps {
        let data = MapData::create(map.clone(), name, None)?;
        verifier::fill(data.fd().as_fd(), map)?;
        maps.push((name.clone(), map.clone(), data));
    }
    let sections: HashSet<usize> = object
        .functions
        .keys()
        .map(|(section, _)| *section)
        .collect();
    let by_name = maps
        .iter()
        .map(|(name, map, data)| (name.as_str(), data.fd().as_fd().as_raw_fd(), map));
    object.relocate_maps(by_name, &sections)?;
    object.relocate_calls(&sections)?;
    let mut verified = Vec::new();
    for (name, program) in &object.programs {
        let function = object
            .functions
            .get(&program.function_key())
            .with_context(|| format!("{name} has no code"))?;
        let log = verifier::verify(&function.instructions).with_context(|| name.clone())?;
        let figures = figures(&log).with_context(|| format!("{name}: {log}"))?;
        verified.push(Verified {
            name: name.clone(),
            instructions: figures.0,
            stack_bytes: figures.1,
            source: "verifier log",
        });
    }
    Ok(verified)
}

/// Instructions and stack in bytes, out of `processed 342 insns` and `stack
/// depth 96+0`, a number a function (`print_verification_stats` in
/// kernel/bpf/verifier.c).
fn figures(log: &str) -> Option<(u32, u32)> {
    let after = |words: &str| log.split(words).nth(1)?.split_whitespace().next();
    let instructions = after("processed ")?.parse().ok()?;
    let stack = after("stack depth ")?.split('+').map(str::parse::<u32>);
    Some((instructions, stack.sum::<Result<u32, _>>().ok()?))
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.name, self.instructions, self.stack_bytes, self.source
        )
    }
}
