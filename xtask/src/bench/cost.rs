//! What a process used, out of /proc.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::row::TAP;

/// The thread that takes records from the ring to the sinks.
const DATAPATH_THREAD: &str = "podtap-datapath";

/// What a process has used since it began.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cost {
    /// CPU time of all its threads, user and system, in seconds.
    pub cpu_s: f64,
    /// Of that, podtap's datapath thread.
    pub datapath_cpu_s: f64,
    /// Frames on the tap interface.
    pub tap_frames: u64,
    /// Bytes of those frames.
    pub tap_bytes: u64,
    /// The most memory that was resident at once, in bytes (`VmHWM`).
    pub peak_rss_bytes: u64,
}

impl Cost {
    /// Until now.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let mut cost = Self {
            peak_rss_bytes: peak_rss_bytes(pid)?,
            ..Self::default()
        };
        (cost.tap_frames, cost.tap_bytes) = tap_counters(pid)?;
        for thread in threads(pid)? {
            // It may have ended since.
            let Ok(cpu_s) = thread_cpu_s(&thread) else {
                continue;
            };
            cost.cpu_s += cpu_s;
            let name = fs::read_to_string(thread.join("comm")).unwrap_or_default();
            if name.trim_end() == DATAPATH_THREAD {
                cost.datapath_cpu_s += cpu_s;
            }
        }
        Ok(cost)
    }

    /// What was used between an earlier look and this one.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            datapath_cpu_s: self.datapath_cpu_s - before.datapath_cpu_s,
            tap_frames: self.tap_frames - before.tap_frames,
            tap_bytes: self.tap_bytes - before.tap_bytes,
            peak_rss_bytes: self.peak_rss_bytes,
        }
    }
}

fn threads(pid: u32) -> Result<Vec<PathBuf>> {
    let folder = format!("/proc/{pid}/task");
    let entries = fs::read_dir(&folder).with_context(|| format!("{folder}: has it ended?"))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// `sum_exec_runtime`, the first field (Documentation/scheduler/sched-stats.rst):
/// what utime and stime add up to, in nanoseconds instead of ticks.
fn thread_cpu_s(thread: &std::path::Path) -> Result<f64> {
    let text = fs::read_to_string(thread.join("schedstat"))?;
    let ns: f64 = text
        .split_whitespace()
        .next()
        .context("an empty schedstat")?
        .parse()?;
    Ok(ns / 1e9)
}

fn peak_rss_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))
        .context("no VmHWM in /proc/PID/status")?
        .parse()?;
    Ok(kib * 1024)
}

/// Frames and bytes that were written to the tap, which are received ones to
/// the kernel; none where there is no tap. Looked up in the namespace of the
/// process that made it.
fn tap_counters(pid: u32) -> Result<(u64, u64)> {
    let interfaces = fs::read_to_string(format!("/proc/{pid}/net/dev"))?;
    let Some(counters) = interfaces
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(TAP)?.strip_prefix(':'))
    else {
        return Ok((0, 0));
    };
    let mut counters = counters.split_whitespace().map(str::parse);
    let bytes = counters.next().context("no counters of the tap")??;
    let frames = counters.next().context("no counters of the tap")??;
    Ok((frames, bytes))
}
