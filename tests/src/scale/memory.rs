//! What the agent and its taps take.

use std::fs;

use anyhow::{Context as _, Result};

/// Resident memory of a process without what it has mapped of BPF maps, which
/// is the ring, in bytes.
pub(crate) fn resident_without_ring(pid: u32) -> Result<u64> {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps"))?;
    let mut is_ring = false;
    let mut kib = 0;
    for line in smaps.lines() {
        if let Some(value) = line.strip_prefix("Rss:") {
            let value: u64 = value.trim().trim_end_matches(" kB").parse()?;
            kib += if is_ring { 0 } else { value };
        } else if line
            .split(' ')
            .next()
            .is_some_and(|range| range.contains('-'))
        {
            // The first line of a mapping: its range, and at the end its file.
            is_ring = line.contains("bpf-map");
        }
    }
    Ok(kib * 1024)
}

/// Kernel memory of the BPF programs and maps that a process holds, as the
/// kernel accounts it (`memlock` in fdinfo), each once, and without the ring,
/// in bytes.
pub(crate) fn bpf_bytes(pid: u32, ring_bytes: u64) -> Result<u64> {
    let mut seen = std::collections::BTreeMap::new();
    let folder = format!("/proc/{pid}/fdinfo");
    for entry in fs::read_dir(&folder).context(folder)? {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
        };
        let Some(bytes) = field("memlock:") else {
            continue;
        };
        if bytes >= ring_bytes {
            continue;
        }
        let identity = (field("map_id:"), field("prog_id:"));
        seen.insert(identity, bytes);
    }
    Ok(seen.values().sum())
}
