//! What a process holds of the kernel.

use std::{fs, path::Path};

/// What would grow if a process forgot to give something back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// File descriptors, all of them.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Descriptors of BPF programs.
    pub programs: usize,
    /// Descriptors of BPF maps.
    pub maps: usize,
    /// Descriptors of BPF links.
    pub links: usize,
}

impl Footprint {
    /// Of a process that runs.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let process = format!("/proc/{pid}");
        let process = Path::new(&process);
        let mut this = Self {
            threads: entries(&process.join("task")).len(),
            ..Self::default()
        };
        for descriptor in entries(&process.join("fdinfo")) {
            let Ok(about) = fs::read_to_string(&descriptor) else {
                continue;
            };
            this.descriptors += 1;
            let has = |key: &str| about.lines().any(|line| line.starts_with(key));
            // A link says which program it is of, too (`bpf_link_show_fdinfo`
            // in kernel/bpf/syscall.c).
            if has("link_id:") {
                this.links += 1;
            } else if has("prog_id:") {
                this.programs += 1;
            } else if has("map_id:") {
                this.maps += 1;
            }
        }
        this
    }
}

/// Memory that a process has to itself and that is there, in bytes: without
/// the ring, which is the kernel's, and without the files that it has mapped.
#[must_use]
pub fn anonymous_bytes(pid: u32) -> u64 {
    field_kib(pid, "RssAnon:") * 1024
}

/// Memory of a process that is there, in bytes, as `ps` says it.
#[must_use]
pub fn resident_bytes(pid: u32) -> u64 {
    field_kib(pid, "VmRSS:") * 1024
}

fn field_kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let field = status.lines().find_map(|line| line.strip_prefix(name));
    let value = field.expect("a field").trim().trim_end_matches(" kB");
    value.parse().expect("a number")
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}
