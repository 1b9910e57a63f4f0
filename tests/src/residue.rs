//! What podtap left behind: programs, hooks, taps, processes.
//!
//! Other podtaps may run on the machine: a program counts as left behind if no
//! process but this one holds it.

use std::{collections::BTreeSet, fs, io, os::unix::fs::MetadataExt as _, path::Path};

use aya::programs::loaded_programs;

use crate::{Hooks, TestNetns, podtap_path, wait::eventually_equal};

/// Looks for what is left.
#[derive(Debug, Default)]
pub struct Residue;

impl Residue {
    /// Panics unless, within the deadline, nothing is left in the kernel, in
    /// these namespaces or among this process's children.
    pub fn assert_none(netnses: &[&TestNetns]) {
        // The kernel frees programs some time after their last user.
        eventually_equal("what podtap left behind, and nothing", || {
            (Self::of(netnses), Vec::new())
        });
    }

    /// All that is left, in words.
    #[must_use]
    pub fn of(netnses: &[&TestNetns]) -> Vec<String> {
        let mut left = programs();
        left.extend(processes());
        for netns in netnses {
            left.extend(in_namespace(netns));
        }
        left
    }
}

fn in_namespace(netns: &TestNetns) -> Vec<String> {
    let mut left = Vec::new();
    for link in netns.links() {
        let name = &link.name;
        if link.kind == "tun" {
            left.push(format!("tap {name}"));
        }
        let hooks = Hooks::of(netns, name);
        if hooks.has_podtap() {
            left.push(format!("on {name}: {hooks:?}"));
        }
        if hooks.qdiscs.iter().any(|kind| kind == "clsact") {
            left.push(format!("a clsact qdisc on {name}"));
        }
    }
    left
}

/// Programs of podtap's that the kernel holds, and no other process.
fn programs() -> Vec<String> {
    let held = held_by_others();
    loaded_programs()
        // One that ends while we look is none.
        .filter_map(Result::ok)
        .filter(|program| !held.contains(&program.id()))
        .filter_map(|program| Some((program.name_as_str()?.to_owned(), program.id())))
        .filter(|(name, _)| name.starts_with("podtap"))
        .map(|(name, id)| format!("the program {name} ({id})"))
        .collect()
}

/// Ids of the programs that other processes hold open.
fn held_by_others() -> BTreeSet<u32> {
    let this = std::process::id().to_string();
    let mut held = BTreeSet::new();
    for process in names(Path::new("/proc")) {
        if process == this || !process.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let folder = Path::new("/proc").join(&process).join("fdinfo");
        for descriptor in names(&folder) {
            let info = fs::read_to_string(folder.join(descriptor)).unwrap_or_default();
            let id = info.lines().find_map(|line| line.strip_prefix("prog_id:"));
            held.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
        }
    }
    held
}

/// Children of this process that run the binary under test.
fn processes() -> Vec<String> {
    let identity = |path: &Path| -> io::Result<(u64, u64)> {
        let metadata = fs::metadata(path)?;
        Ok((metadata.dev(), metadata.ino()))
    };
    let ours = identity(&podtap_path()).expect("the binary");
    let mut left = Vec::new();
    for thread in names(Path::new("/proc/self/task")) {
        let path = format!("/proc/self/task/{thread}/children");
        for child in fs::read_to_string(path)
            .unwrap_or_default()
            .split_whitespace()
        {
            let binary = format!("/proc/{child}/exe");
            if identity(Path::new(&binary)).is_ok_and(|identity| identity == ours) {
                left.push(format!("the process {child}"));
            }
        }
    }
    left
}

/// Names in a folder; none if it is not there (any more).
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
