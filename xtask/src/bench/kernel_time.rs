//! How long podtap's programs run in the kernel, by the kernel's own count.

use std::{fs, os::fd::OwnedFd};

use anyhow::{Context as _, Result};
use aya::{
    programs::loaded_programs,
    sys::{Stats, enable_stats},
};
use serde::Serialize;

/// podtap's classifiers, by the names that they are loaded with.
const PROGRAMS: [&str; 2] = ["podtap_in", "podtap_out"];

/// Time and runs of both classifiers.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct KernelTime {
    /// Nanoseconds in the programs.
    pub run_time_ns: u64,
    /// How often they ran: once a packet.
    pub runs: u64,
}

/// Counting is on as long as this lives (`BPF_ENABLE_STATS`, Linux 5.8).
#[derive(Debug)]
pub struct Counting {
    _descriptor: OwnedFd,
}

impl Counting {
    /// Starts it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn start() -> Result<Self> {
        let descriptor = enable_stats(Stats::RunTime).context("cannot have BPF programs timed")?;
        Ok(Self {
            _descriptor: descriptor,
        })
    }
}

impl KernelTime {
    /// Of the programs that a process holds.
    ///
    /// # Errors
    /// When there is no such process, or programs cannot be listed.
    pub fn of(pid: u32) -> Result<Self> {
        let held = held_programs(pid)?;
        let mut total = Self::default();
        for program in loaded_programs() {
            // Others' come and go while one looks.
            let Ok(program) = program else { continue };
            let named = program
                .name_as_str()
                .is_some_and(|name| PROGRAMS.contains(&name));
            if named && held.contains(&program.id()) {
                total.run_time_ns += u64::try_from(program.run_time().as_nanos())?;
                total.runs += program.run_count();
            }
        }
        Ok(total)
    }

    /// What has come since.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            run_time_ns: self.run_time_ns - before.run_time_ns,
            runs: self.runs - before.runs,
        }
    }
}

/// The ids in `prog_id:` of a program's or a link's fdinfo
/// (kernel/bpf/syscall.c `bpf_prog_show_fdinfo`, `bpf_link_show_fdinfo`).
fn held_programs(pid: u32) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    let folder = format!("/proc/{pid}/fdinfo");
    for entry in fs::read_dir(&folder).with_context(|| folder.clone())? {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        ids.extend(
            text.lines()
                .filter_map(|line| line.strip_prefix("prog_id:")?.trim().parse::<u32>().ok()),
        );
    }
    Ok(ids)
}
