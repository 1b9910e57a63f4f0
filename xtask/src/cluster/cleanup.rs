//! Taking a cluster down, in whatever state it is.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cgroup;
use super::layout::Layout;
use super::machine::Machine;
use super::proc::Process;
use super::residue::{mounts_below, residue, runs_our_binary};
use crate::process::wait_for;

/// Ends and removes all that belongs to a cluster of this workspace; the
/// built binaries, the images and the logs stay.
pub(super) fn clean(layout: &Layout) -> Result<()> {
    // First of all: a cluster that is half gone must not pass for one.
    match fs::remove_file(layout.up_marker()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    for machine in Machine::all(layout) {
        machine.kill()?;
    }
    end_stragglers(layout)?;
    for mount in mounts_below(layout, &fs::read_to_string("/proc/self/mountinfo")?) {
        umount2(mount.as_str(), MntFlags::MNT_DETACH)
            .with_context(|| format!("unmounting {mount}"))?;
    }
    cgroup::remove_all(layout)?;
    remove_run(layout)?;
    match residue(layout).as_slice() {
        [] => Ok(()),
        left => bail!("still there after cleaning up:\n{}", left.join("\n")),
    }
}

/// Ends binaries of ours that run outside of any machine: one that a crash
/// caught between two steps of its start.
fn end_stragglers(layout: &Layout) -> Result<()> {
    let ours = |process: &Process| !process.is_gone() && runs_our_binary(layout, *process);
    wait_for(
        "the end of the cluster's programs",
        Duration::from_secs(15),
        || {
            let left: Vec<Process> = Process::all().into_iter().filter(ours).collect();
            for process in &left {
                if let Ok(pid) = i32::try_from(process.0) {
                    // One that ended meanwhile is as good.
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
            }
            Ok(left.is_empty().then_some(()))
        },
    )
}

fn remove_run(layout: &Layout) -> Result<()> {
    let run = layout.run();
    // The kernel lets go of a dead machine's mounts a little later.
    wait_for(
        &format!("removing {}", run.display()),
        Duration::from_secs(60),
        || match fs::remove_dir_all(&run) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(Some(())),
        },
    )
}
