//! A running tcpdump or podtap.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    closing::Closing,
    cost::Cost,
    row::{Binaries, Row},
    stage::{Namespace, Stage},
};
use crate::process::wait_for;

/// How long it may take to start, and to end.
const LIMIT: Duration = Duration::from_secs(30);
/// Longer than the programs believe in an agent that says nothing (900 ms).
const AWAY: Duration = Duration::from_millis(1200);
/// It is done when it used less than this much of a CPU for so long.
const QUIET_SHARE: f64 = 0.05;
const QUIET: Duration = Duration::from_millis(60);

/// The process; killed when it is dropped.
#[derive(Debug)]
pub(super) struct Tapping {
    row: Row,
    child: Child,
    lines: mpsc::Receiver<String>,
    log: String,
}

impl Tapping {
    /// Starts it and waits until it taps; nothing for the row without one.
    pub(super) fn start(row: Row, binaries: &Binaries, stage: &Stage) -> Result<Option<Self>> {
        let Some((mut command, ready)) = row.command(binaries, stage) else {
            return Ok(None);
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let home: &Namespace = if row.is_podtap() {
            &stage.node
        } else {
            &stage.pod
        };
        let mut child = home.spawn(&mut command)?;
        let stderr = child.stderr.take().context("no pipe to the capture")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut this = Self {
            row,
            child,
            lines,
            log: String::new(),
        };
        this.wait_for_line(ready)?;
        if row == Row::PodtapAway {
            this.signal(Signal::SIGSTOP)?;
            pause(AWAY);
        }
        Ok(Some(this))
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it used until all that it saw is done.
    pub(super) fn settled_cost(&self) -> Result<Cost> {
        let mut before = Cost::of(self.pid())?;
        wait_for("the capture to have done its work", LIMIT, || {
            let looked = Instant::now();
            pause(QUIET);
            let now = Cost::of(self.pid())?;
            let share = now.since(before).cpu_s / looked.elapsed().as_secs_f64();
            before = now;
            Ok((share < QUIET_SHARE).then_some(now))
        })
    }

    /// Ends it.
    pub(super) fn stop(mut self) -> Result<Closing> {
        self.signal(Signal::SIGCONT)?;
        self.signal(Signal::SIGINT)?;
        let status = wait_for("the capture to end", LIMIT, || Ok(self.child.try_wait()?))?;
        for line in self.lines.iter() {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        ensure!(
            status.success(),
            "{}: {status}\n{}",
            self.row.name(),
            self.log
        );
        Closing::parse(&self.log)
    }

    fn wait_for_line(&mut self, text: &str) -> Result<()> {
        let started = Instant::now();
        loop {
            let left = LIMIT.saturating_sub(started.elapsed());
            let Ok(line) = self.lines.recv_timeout(left) else {
                bail!("{} did not start:\n{}", self.row.name(), self.log);
            };
            self.log.push_str(&line);
            self.log.push('\n');
            if line.contains(text) {
                return Ok(());
            }
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid())?);
        kill(pid, signal).with_context(|| format!("cannot send {signal} to {}", self.row.name()))
    }
}

impl Drop for Tapping {
    fn drop(&mut self) {
        // It has ended, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets time pass, where the passing of time is the matter.
pub(super) fn pause(time: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the heartbeat's age and CPU time over a while are what is waited for"
    )]
    thread::sleep(time);
}
