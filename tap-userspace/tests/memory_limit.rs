//! The memory limit of this process, by what the kernel shows of cgroups.
//!
//! If this fails, an agent is ended by the kernel in the middle of its work,
//! or does not start though it could.
#![allow(clippy::expect_used, reason = "a test may panic")]

use std::{fs, path::Path};

use tap_userspace::adapter::memory_limit::smallest_limit_bytes;
use tempfile::TempDir;

/// A mounted tree of cgroups with these files.
fn mounted(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let file = root.path().join(name);
        let folder = file.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).expect("a folder");
        fs::write(file, text).expect("a file");
    }
    root
}

fn limit(proc_cgroup: &str, files: &[(&str, &str)]) -> Option<u64> {
    smallest_limit_bytes(proc_cgroup, mounted(files).path())
}

#[test]
fn a_container_of_version_2_sees_its_own_at_the_root() {
    let max = |text| limit("0::/\n", &[("memory.max", text)]);
    assert_eq!(max("268435456\n"), Some(268_435_456));
    assert_eq!(max("max\n"), None);
}

#[test]
fn the_smallest_of_all_that_it_is_below_counts() {
    let files = [
        ("system.slice/memory.max", "100\n"),
        ("system.slice/podtap.service/memory.max", "max\n"),
        ("other/memory.max", "7\n"),
    ];
    let limit = limit("0::/system.slice/podtap.service\n", &files);
    assert_eq!(limit, Some(100));
}

#[test]
fn version_1_has_a_line_of_its_own_beside_version_2() {
    let cgroup = "9:name=systemd:/\n4:cpu,memory:/a/b\n3:cpuset:/c\n0::/\n";
    let files = [
        ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("memory/a/memory.limit_in_bytes", "3000\n"),
        ("memory/a/b/memory.limit_in_bytes", "2000\n"),
        ("cpuset/c/memory.limit_in_bytes", "1\n"),
    ];
    assert_eq!(limit(cgroup, &files), Some(2000));
    assert_eq!(limit(cgroup, &files[..1]), None);
}

#[test]
fn a_path_of_the_nodes_is_the_containers_root() {
    for cgroup in [
        "4:memory:/kubepods/pod1/c1\n",
        "4:memory:/../../kubepods/c1\n",
    ] {
        let files = [("memory/memory.limit_in_bytes", "5000\n")];
        assert_eq!(limit(cgroup, &files), Some(5000), "{cgroup}");
    }
}

#[test]
fn what_cannot_be_read_is_no_limit() {
    assert_eq!(limit("0::/\n", &[]), None);
    assert_eq!(limit("0::/\n", &[("memory.max", "much\n")]), None);
    assert_eq!(limit("", &[("memory.max", "1\n")]), None);
    assert_eq!(limit("nonsense", &[("memory.max", "1\n")]), None);
}
