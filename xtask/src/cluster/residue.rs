//! What is left of a cluster: nothing, after `down`.

use std::fs;
use std::path::{Path, PathBuf};

use super::cgroup;
use super::layout::Layout;
use super::machine::Machine;
use super::proc::Process;

/// Lists everything of a cluster that is still there, each with the reason
/// why it counts as ours. Empty when no cluster runs and all was cleaned up.
pub fn residue(layout: &Layout) -> Vec<String> {
    let mut found = Vec::new();
    let machines: Vec<PathBuf> = Machine::all(layout)
        .iter()
        .filter_map(Machine::pid_namespace)
        .collect();
    for process in Process::all() {
        if let Some(reason) = reason(layout, &machines, process) {
            let name = process.arguments().join(" ");
            let name: String = name.chars().take(80).collect();
            found.push(format!("process {} ({name}): {reason}", process.0));
        }
    }
    for group in cgroup::remaining(layout) {
        found.push(format!("control group {}: has our name", group.display()));
    }
    for mount in mounts_below(
        layout,
        &fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(),
    ) {
        found.push(format!("mount {mount}: lies below the cluster's folder"));
    }
    if layout.run().exists() {
        found.push(format!(
            "folder {}: the state of a running cluster",
            layout.run().display()
        ));
    }
    found
}

/// Why a process is ours, if it is.
fn reason(layout: &Layout, machines: &[PathBuf], process: Process) -> Option<&'static str> {
    if process.is_gone() {
        return None;
    }
    let name = layout.name();
    if process
        .cgroups()
        .lines()
        .any(|line| line.contains(&format!(":/{name}/")))
    {
        return Some("runs in our control group");
    }
    if process
        .namespace("pid")
        .is_some_and(|namespace| machines.contains(&namespace))
    {
        return Some("runs on one of our machines");
    }
    runs_our_binary(layout, process).then_some("runs a binary of the cluster")
}

/// Whether a process is one of the binaries that we built, or is about to
/// become one: the commands that enter or make namespaces and then execute it.
pub(super) fn runs_our_binary(layout: &Layout, process: Process) -> bool {
    let Some(executable) = process.executable() else {
        return false;
    };
    let wrapper = ["setsid", "unshare", "nsenter"]
        .iter()
        .any(|&name| executable.ends_with(name));
    let bin = layout.bin();
    executable.starts_with(&bin)
        || wrapper
            && process
                .arguments()
                .iter()
                .any(|word| Path::new(word).starts_with(&bin))
}

/// The mount points below the cluster's folder. There should never be any:
/// the machines' mounts are in namespaces of their own.
pub(super) fn mounts_below(layout: &Layout, mountinfo: &str) -> Vec<String> {
    let root = layout.root().display().to_string() + "/";
    let point = |line: &str| line.split(' ').nth(4).map(str::to_owned);
    mountinfo
        .lines()
        .filter_map(point)
        .filter(|point| point.starts_with(&root))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_below_the_folder_count() {
        let layout = Layout::of_this_workspace();
        let root = layout.root().display().to_string();
        let mountinfo = format!(
            "1 2 0:1 / {root}/run/x rw - tmpfs tmpfs rw\n\
             1 2 0:1 / {root}-other rw - tmpfs tmpfs rw\n\
             1 2 0:1 / /run rw - tmpfs tmpfs rw\n"
        );
        assert_eq!(mounts_below(&layout, &mountinfo), [format!("{root}/run/x")]);
    }
}
