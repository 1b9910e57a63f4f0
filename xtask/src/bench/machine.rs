//! What machine it was.

use std::{fs, path::Path, process::Command, thread};

use anyhow::Result;
use serde::Serialize;

use crate::process::output;

/// What figures depend on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// `model name` of the first CPU.
    pub cpu: String,
    /// CPUs that this process may use.
    pub cpus: usize,
    /// The kernel's release.
    pub kernel: String,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// What podtap says of itself.
    pub podtap: String,
    /// What tcpdump says of itself.
    pub tcpdump: String,
    /// What iperf3 says of itself.
    pub iperf3: String,
    /// When it began, in UTC.
    pub date: String,
    /// Processes that wanted to run in the minute before it began: others'.
    pub load_before: f64,
}

impl Machine {
    /// This one.
    pub(super) fn look(podtap: &Path) -> Result<Self> {
        let memory_kib: u64 = field("/proc/meminfo", "MemTotal", ':')?
            .trim_end_matches(" kB")
            .parse()?;
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            // Arm's /proc/cpuinfo has no such line.
            cpu: field("/proc/cpuinfo", "model name", ':')
                .unwrap_or_else(|_| std::env::consts::ARCH.into()),
            cpus: thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .into(),
            memory_bytes: memory_kib * 1024,
            podtap: version(podtap)?,
            tcpdump: version(Path::new("tcpdump"))?,
            iperf3: version(Path::new("iperf3"))?,
            date: jiff::Timestamp::now()
                .strftime("%Y-%m-%d %H:%M")
                .to_string(),
            load_before: load.split(' ').next().unwrap_or_default().parse()?,
        })
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{}, {} CPUs, {:.0} GiB, Linux {}, {}, {} UTC, load before {}",
            self.cpu,
            self.cpus,
            self.memory_bytes as f64 / f64::from(1 << 30),
            self.kernel,
            self.podtap,
            self.date,
            self.load_before,
        )
    }
}

fn field(path: &str, name: &str, separator: char) -> Result<String> {
    fs::read_to_string(path)?
        .lines()
        .filter_map(|line| line.split_once(separator))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
        .ok_or_else(|| anyhow::anyhow!("{path} has no line `{name}`"))
}

/// The first line of `--version`.
fn version(program: &Path) -> Result<String> {
    let text = output(Command::new(program).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
