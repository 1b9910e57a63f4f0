//! The real binary, as its user runs it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{DEADLINE, VethEnd, eventually};

/// Where the binary is: `$PODTAP_BIN`, which `cargo xtask test` sets, else the
/// one that `cargo xtask build` made.
#[must_use]
pub fn podtap_path() -> PathBuf {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/podtap");
    let binary = std::env::var_os("PODTAP_BIN").map_or_else(|| PathBuf::from(built), PathBuf::from);
    assert!(
        binary.is_file(),
        "{} is not there: run `cargo xtask build` first",
        binary.display()
    );
    binary
}

/// A command that runs the binary, [`podtap_path`].
#[must_use]
pub fn podtap() -> Command {
    Command::new(podtap_path())
}

/// A command that captures on a pod's `eth0`.
#[must_use]
pub fn capture_of(pod: &VethEnd) -> Command {
    let mut command = podtap();
    command.arg("capture").arg("--netns").arg(pod.netns.path());
    command
}

/// What [`Running::start`] waits for with [`capture_of`].
pub const CAPTURING: &str = "capturing on eth0";

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    let mut running = Running::spawn(command.stdout(Stdio::piped()));
    let stdout = running.drain_stdout();
    let (status, log) = running.wait_status();
    Output {
        status,
        stdout: stdout.join().expect("its standard output"),
        stderr: log.into_bytes(),
    }
}

/// A running podtap; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// Standard error so far.
    pub log: String,
}

impl Running {
    /// Starts it and waits for a line on standard error that has `ready` in
    /// it.
    pub fn start(command: &mut Command, ready: &str) -> Self {
        let mut this = Self::spawn(command);
        this.wait_for(ready);
        this
    }

    /// Starts it.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("to start podtap");
        let stderr = BufReader::new(child.stderr.take().expect("its standard error"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            log: String::new(),
        }
    }

    /// Reads standard error up to a line with `text` in it.
    pub fn wait_for(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            let left = DEADLINE.saturating_sub(started.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.log.push_str(&line);
                    self.log.push('\n');
                    if line.contains(text) {
                        return;
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    panic!("podtap ended without saying `{text}`:\n{}", self.log)
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("podtap did not say `{text}`:\n{}", self.log)
                }
            }
        }
    }

    /// Its standard output, if the command was given a pipe for it.
    pub fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("a pipe, taken once")
    }

    /// Reads its standard output to the end, on a thread of its own: what it
    /// writes never has to wait for the test.
    pub fn drain_stdout(&mut self) -> thread::JoinHandle<Vec<u8>> {
        let mut stdout = self.stdout();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).expect("its standard output");
            bytes
        })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its end").is_some()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("to send a signal");
    }

    /// Ends it with SIGINT; returns whether that was a success, and all that
    /// it wrote to standard error.
    pub fn interrupt(mut self) -> (bool, String) {
        self.signal(Signal::SIGINT);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> (bool, String) {
        let (status, log) = self.wait_status();
        (status.success(), log)
    }

    /// Waits for its end; returns how it ended, and all that it wrote to
    /// standard error.
    pub fn wait_status(&mut self) -> (ExitStatus, String) {
        let status = eventually("podtap ends", || self.child.try_wait().expect("its end"));
        // The writing end is closed: the rest is there, then the end.
        for line in self.lines.iter() {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        (status, std::mem::take(&mut self.log))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
