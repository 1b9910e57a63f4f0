//! A virtual machine without hardware support, and its console.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::package::Kernel;
use crate::setup::{self, Tool};

/// A machine that has not turned itself off by then never will: on two slow
/// cores the checks take half a minute.
const LIMIT: Duration = Duration::from_secs(420);

/// How many of the console's last lines tell why a machine died.
const LAST_LINES: usize = 12;

/// What a kernel says when it cannot go on as it should.
const CRASHES: [&str; 4] = ["BUG: ", "Oops", "PANIC", "Kernel panic"];

/// Makes sure that the emulator is there.
pub(super) fn need() -> Result<()> {
    setup::need(&[Tool {
        command: "qemu-system-x86_64",
        package: "qemu-system-x86",
    }])
}

/// Boots, gives every line of the console to `line`, and returns when the
/// machine has turned itself off. All of the console is kept in `log`.
pub(super) fn boot(
    kernel: &Kernel,
    initramfs: &Path,
    log: &Path,
    mut line: impl FnMut(&str),
) -> Result<()> {
    let mut log = File::create(log).with_context(|| log.display().to_string())?;
    let mut machine = Machine(start(kernel, initramfs)?);
    let console = machine.0.stdout.take().context("no console")?;
    let (lines, arriving) = mpsc::channel();
    thread::spawn(move || {
        let mut console = BufReader::new(console);
        let mut bytes = Vec::new();
        while console
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if lines.send(text).is_err() {
                break;
            }
        }
    });
    let started = Instant::now();
    let mut last = Vec::new();
    let mut crash = None;
    loop {
        match arriving.recv_timeout(LIMIT.saturating_sub(started.elapsed())) {
            Ok(text) => {
                writeln!(log, "{text}")?;
                line(&text);
                if crash.is_none() && CRASHES.iter().any(|words| text.contains(words)) {
                    crash = Some(text.clone());
                }
                last.push(text);
                if last.len() > LAST_LINES {
                    last.remove(0);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => bail!(
                "the machine hangs: it was not done after {} s; its last lines:\n{}",
                LIMIT.as_secs(),
                last.join("\n")
            ),
        }
    }
    let status = machine.0.wait()?;
    if let Some(crash) = crash {
        bail!(
            "the kernel crashed: {crash}; its last lines:\n{}",
            last.join("\n")
        );
    }
    if !status.success() {
        bail!(
            "the emulator died ({status}); its last lines:\n{}",
            last.join("\n")
        );
    }
    Ok(())
}

fn start(kernel: &Kernel, initramfs: &Path) -> Result<Child> {
    let qemu = setup::find("qemu-system-x86_64").context("no emulator")?;
    Command::new(qemu)
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
        ])
        .args([
            "-accel", "tcg", "-m", "768M", "-smp", "2", "-serial", "stdio",
        ])
        // QEMU 7.2 was seen to spoil the flags after CMPXCHG16B on two
        // processors, and 6.12 then to die of a double fault in its allocator.
        .args(["-cpu", "qemu64,-cx16"])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initramfs)
        // A panic ends the machine at once; it has no speculation to mitigate.
        .args([
            "-append",
            "console=ttyS0 quiet panic=-1 mitigations=off rdinit=/init",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("starting the emulator")
}

/// Ended when it is dropped.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
