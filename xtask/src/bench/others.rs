//! What else the machine did meanwhile: figures of a busy one prove little.

use std::{fs, thread, time::Instant};

use anyhow::{Context as _, Result};

/// `USER_HZ`, the unit of times in /proc (proc(5)).
const TICKS_A_SECOND: f64 = 100.0;

/// CPU time of all, and ours, when it was begun to watch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Others {
    started: Instant,
    all_s: f64,
    ours_s: f64,
}

impl Others {
    pub(super) fn watch() -> Result<Self> {
        Ok(Self {
            started: Instant::now(),
            all_s: all_s()?,
            ours_s: ours_s()?,
        })
    }

    /// The share of all CPUs that went to neither us nor our children that
    /// have ended, since it was begun to watch.
    pub(super) fn share(&self) -> Result<f64> {
        let cpus = thread::available_parallelism()?.get() as f64;
        let others_s = (all_s()? - self.all_s) - (ours_s()? - self.ours_s);
        let share = others_s / (self.started.elapsed().as_secs_f64() * cpus);
        // Ticks are rounded.
        Ok(share.max(0.0))
    }
}

/// User, nice, system and stolen time of all CPUs: what packets cost in
/// interrupts is nobody's.
fn all_s() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat")?;
    let times: Vec<f64> = numbers(text.lines().next().unwrap_or_default(), 1)?;
    sum(&times, &[0, 1, 2, 7])
}

/// `utime` to `cstime` of this process.
fn ours_s() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    // The name before it may hold anything.
    let (_, after) = text
        .rsplit_once(") ")
        .context("a strange /proc/self/stat")?;
    let times: Vec<f64> = numbers(after, 11)?;
    sum(&times, &[0, 1, 2, 3])
}

fn numbers(text: &str, skip: usize) -> Result<Vec<f64>> {
    let words = text.split_whitespace().skip(skip).take(8);
    words.map(|word| Ok(word.parse()?)).collect()
}

fn sum(times: &[f64], columns: &[usize]) -> Result<f64> {
    let mut ticks = 0.0;
    for column in columns {
        ticks += times.get(*column).context("too few times in /proc")?;
    }
    Ok(ticks / TICKS_A_SECOND)
}
