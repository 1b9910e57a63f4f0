//! Control groups: one for each node, below one of ours, in every hierarchy of
//! version 1 and in version 2.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::layout::Layout;
use crate::process::wait_for;

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    root: PathBuf,
    version2: bool,
}

/// The path of a machine's group in each hierarchy.
pub(super) fn of_machine(layout: &Layout, machine: &str) -> String {
    format!("{}/{machine}", layout.name())
}

/// Makes a group, such as `a/b`, in each hierarchy and lets it be used.
pub(super) fn create(path: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let mut group = hierarchy.root.clone();
        for part in Path::new(path).components() {
            if hierarchy.version2 {
                delegate(&group);
            }
            let parent = group.clone();
            group.push(part);
            fs::create_dir_all(&group)
                .with_context(|| format!("control group {}", group.display()))?;
            // A new group of version 1 has no CPUs and can hold no process.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let inherited = fs::read_to_string(parent.join(file));
                if let (false, Ok(value)) = (hierarchy.version2, inherited) {
                    fs::write(group.join(file), value.trim())?;
                }
            }
        }
    }
    Ok(())
}

/// Removes all of our groups, once their processes are gone.
pub(super) fn remove_all(layout: &Layout) -> Result<()> {
    for group in remaining(layout) {
        wait_for(
            &format!("control group {}", group.display()),
            Duration::from_secs(10),
            || {
                remove_tree(&group)?;
                Ok(Some(()))
            },
        )?;
    }
    Ok(())
}

/// The top of our groups, in each hierarchy that has them.
pub(super) fn remaining(layout: &Layout) -> Vec<PathBuf> {
    let hierarchies = hierarchies().unwrap_or_default();
    hierarchies
        .into_iter()
        .map(|hierarchy| hierarchy.root.join(layout.name()))
        .filter(|group| group.exists())
        .collect()
}

/// Groups below may then use these controllers; those that are not there, or
/// are in use by version 1, are refused one by one.
fn delegate(group: &Path) {
    for controller in ["cpuset", "cpu", "io", "memory", "pids"] {
        let _ = fs::write(
            group.join("cgroup.subtree_control"),
            format!("+{controller}"),
        );
    }
}

fn remove_tree(group: &Path) -> Result<()> {
    for entry in fs::read_dir(group)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group).with_context(|| group.display().to_string())
}

fn hierarchies() -> Result<Vec<Hierarchy>> {
    Ok(parse(&fs::read_to_string("/proc/self/mountinfo")?))
}

/// The hierarchies in a mountinfo; one that is mounted twice counts once.
fn parse(mountinfo: &str) -> Vec<Hierarchy> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for line in mountinfo.lines() {
        let Some((mount, source)) = line.split_once(" - ") else {
            continue;
        };
        let mount: Vec<&str> = mount.split(' ').collect();
        let version2 = match source.split(' ').next() {
            Some("cgroup") => false,
            Some("cgroup2") => true,
            _ => continue,
        };
        let [_, _, device, root, point, ..] = mount.as_slice() else {
            continue;
        };
        if *root == "/" && !seen.contains(device) {
            seen.push(device);
            found.push(Hierarchy {
                root: PathBuf::from(point),
                version2,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_a_hybrid_machine() {
        let mountinfo = "\
32 31 0:28 / /sys/fs/cgroup/cpu rw,relatime shared:13 - cgroup cgroup rw,cpu
33 31 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
34 31 0:28 / /elsewhere rw,relatime - cgroup cgroup rw,cpu
35 31 0:30 / /proc rw - proc proc rw
";
        let roots: Vec<_> = parse(mountinfo)
            .into_iter()
            .map(|found| (found.root, found.version2))
            .collect();
        let expected = [
            ("/sys/fs/cgroup/cpu", false),
            ("/sys/fs/cgroup/unified", true),
        ];
        assert_eq!(
            roots,
            expected.map(|(path, version2)| (PathBuf::from(path), version2))
        );
    }
}
