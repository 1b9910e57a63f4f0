//! A machine: a set of namespaces (processes, mounts, network, IPC, name) that
//! stands for one computer of the cluster, with its own /proc, /run and /var.
//!
//! Its first process is `pause`; the kernel ends everything else in it when
//! that one dies, shims and containers included, and takes the mounts, pod
//! namespaces, veths and bridges with it. So taking a cluster down, even after
//! a crash, is: find the `pause` processes, kill them, remove cgroups and
//! files. Nothing of a machine is ever visible in the computer's own network
//! or mounts, and a pod's hostPath /proc shows its own node's processes alone.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout::{Layout, PREFIX};
use super::machine_folders;
use super::proc::Process;
use crate::process::wait_for;

/// How long the kernel may take to start a program.
const START: Duration = Duration::from_secs(10);

/// A running machine.
#[derive(Clone, Debug)]
pub struct Machine {
    name: String,
    init: Process,
}

impl Machine {
    /// Starts a machine: its namespaces and its first process.
    pub fn start(layout: &Layout, name: &str) -> Result<Self> {
        fs::create_dir_all(layout.log())?;
        let log = fs::File::create(layout.log().join(format!("{name}.log")))?;
        // The fork leaves it without a parent that would have to wait for it.
        let status = Command::new("setsid")
            .args([
                "--fork",
                "unshare",
                "--pid",
                "--mount",
                "--net",
                "--ipc",
                "--uts",
                "--fork",
                "--mount-proc",
                "--",
            ])
            .arg(layout.binary("pause"))
            .args([PREFIX, name])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()?;
        anyhow::ensure!(status.success(), "setsid: {status}");
        let machine = wait_for(&format!("machine {name}"), Duration::from_secs(10), || {
            Ok(Self::all(layout)
                .into_iter()
                .find(|machine| machine.name == name))
        })?;
        machine_folders::set_up(layout, &machine)?;
        Ok(machine)
    }

    /// All machines of this workspace's cluster that run now, found by their
    /// executable's path: there is no file that could be stale.
    pub fn all(layout: &Layout) -> Vec<Self> {
        let pause = layout.binary("pause");
        let machine = |process: Process| {
            (process.executable()? == pause).then_some(())?;
            match process.arguments().as_slice() {
                [_, prefix, name] if prefix == PREFIX => Some(Self {
                    name: name.clone(),
                    init: process,
                }),
                _ => None,
            }
        };
        Process::all().into_iter().filter_map(machine).collect()
    }

    /// The machine's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first process, as seen from outside.
    pub fn pid(&self) -> u32 {
        self.init.0
    }

    /// A file that stands for its network namespace.
    pub fn netns(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.pid()))
    }

    /// A command that will run on the machine: in all of its namespaces.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.enter(&["--mount", "--pid", "--net", "--ipc", "--uts"], program)
    }

    /// A command that will run on the machine's network, with this computer's
    /// files; it ends with the machine.
    pub fn on_network(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.enter(&["--pid", "--net"], program)
    }

    /// Starts a program that goes on in the background; its output goes to
    /// `log/MACHINE-PROGRAM.log`.
    pub fn start_daemon(&self, layout: &Layout, program: &str, arguments: &[String]) -> Result<()> {
        let name = program.rsplit('/').next().unwrap_or(program);
        let path = layout.log().join(format!("{}-{name}.log", self.name));
        let log = fs::File::create(&path)?;
        let inside = self.command(program);
        let status = Command::new("setsid")
            .arg("--fork")
            .arg(inside.get_program())
            .args(inside.get_args())
            .args(arguments)
            // Nothing of the caller's environment (KUBECONFIG, proxies) counts here.
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", "/var/lib")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()?;
        anyhow::ensure!(status.success(), "{program}: {status}");
        wait_for(&format!("{name} to run on {}", self.name), START, || {
            Ok(self.runs(name).then_some(()))
        })
        .with_context(|| format!("{name} ended at once: see {}", path.display()))
    }

    /// The identity of its process namespace.
    pub fn pid_namespace(&self) -> Option<PathBuf> {
        self.init.namespace("pid")
    }

    /// The processes of the machine, as seen from outside.
    pub fn processes(&self) -> Vec<Process> {
        let Some(namespace) = self.pid_namespace() else {
            return Vec::new();
        };
        processes_in(&namespace)
    }

    /// Whether a program runs on the machine, by its executable's name.
    pub fn runs(&self, program: &str) -> bool {
        self.processes().into_iter().any(|process| {
            process
                .executable()
                .is_some_and(|path| path.file_name().is_some_and(|name| name == program))
        })
    }

    /// Kills the machine and waits until nothing of it runs.
    pub fn kill(&self) -> Result<()> {
        let namespace = self.pid_namespace();
        let pid = i32::try_from(self.init.0).context("pid")?;
        // A first process cannot end before each process of its namespace has
        // been asked how it ended, and whoever entered from outside is asked
        // by its nsenter, which a stop of its child has stopped too.
        for process in self.processes() {
            if let Some(parent) = process.parent() {
                parent.resume();
            }
        }
        // Already gone is as good.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        wait_for(
            &format!("the end of machine {}", self.name),
            Duration::from_secs(30),
            || {
                let others = namespace.as_deref().map(processes_in).unwrap_or_default();
                Ok((self.init.is_gone() && others.is_empty()).then_some(()))
            },
        )
    }

    fn enter(&self, namespaces: &[&str], program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg("--target")
            .arg(self.pid().to_string())
            .args(namespaces)
            .arg("--")
            .arg(program);
        command
    }
}

/// All living processes in a process namespace.
fn processes_in(namespace: &std::path::Path) -> Vec<Process> {
    let inside = |process: &Process| {
        !process.is_gone() && process.namespace("pid").as_deref() == Some(namespace)
    };
    Process::all().into_iter().filter(inside).collect()
}
