//! A machine's own folders: /run, /var and kernel settings.

use std::fs;

use anyhow::{Context as _, Result};

use super::layout::Layout;
use super::machine::Machine;
use crate::process::run;

/// Mounts and nothing else, so a shell script says it best.
const SCRIPT: &str = include_str!("machine_folders.sh");

/// A computer with this much free memory can hold the images of all machines
/// in it: importing is faster, and nothing has to be deleted file by file.
const PLENTY_KIB: u64 = 8 << 20;

/// How large a machine's /var in memory may become.
const VAR_IN_MEMORY: &str = "size=4g";

/// Gives a new machine what it must not share with this computer.
pub(super) fn set_up(layout: &Layout, machine: &Machine) -> Result<()> {
    let own = layout.machine(machine.name());
    let [var, stage] = ["var", "stage"].map(|folder| own.join(folder));
    for folder in [&var, &stage] {
        fs::create_dir_all(folder)?;
    }
    let memory = available_kib(&fs::read_to_string("/proc/meminfo")?);
    let in_memory = if memory >= PLENTY_KIB {
        VAR_IN_MEMORY
    } else {
        ""
    };
    let mut command = machine.command("sh");
    command
        .args(["-c", SCRIPT, "sh", machine.name()])
        .args([layout.workspace(), &stage, &var])
        .arg(in_memory);
    run(&mut command).with_context(|| format!("setting up machine {}", machine.name()))
}

fn available_kib(meminfo: &str) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::available_kib;

    #[test]
    fn available_memory_is_read() {
        assert_eq!(
            available_kib("MemTotal: 2048 kB\nMemAvailable:    1024 kB\n"),
            1024
        );
        assert_eq!(available_kib(""), 0);
    }
}
