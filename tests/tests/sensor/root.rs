//! Debian's root file system with Suricata in it, as a copy that goes with its
//! holder: an overlay in a mount namespace, and daemons in a process namespace,
//! both of one process.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tests::TestNetns;
use xtask::{cluster::Layout, image::sensor};

/// Makes the overlay of `$1` in the folder `$2`, then waits for the end of its
/// standard input, which is also that of whoever holds the other end.
const HOLD: &str = "set -e
mount -t tmpfs none $2/overlay
mkdir $2/overlay/upper $2/overlay/work $2/overlay/root
mount -t overlay -o lowerdir=$1,upperdir=$2/overlay/upper,workdir=$2/overlay/work none $2/overlay/root
mkdir $2/overlay/root/corpus
mount --bind $2/corpus $2/overlay/root/corpus
mount -t proc proc $2/overlay/root/proc
echo ready
exec chroot $2/overlay/root cat";

/// A running copy of the root file system.
#[derive(Debug)]
pub(crate) struct Root {
    holder: Child,
    /// The first process of the process namespace, as seen from outside.
    first: String,
    folder: TempDir,
}

impl Root {
    pub(crate) fn new() -> Self {
        let lower = sensor::build(&Layout::of_this_workspace()).expect("a root file system");
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["overlay", "corpus"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .args(["--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", HOLD, "sh"])
            .args([&lower, folder.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("to run unshare");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("its standard output"))
            .read_line(&mut line)
            .expect("its standard output");
        assert_eq!(line, "ready\n", "the overlay of {}", lower.display());
        let id = holder.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let first = children.expect("its child").trim().to_owned();
        Self {
            holder,
            first,
            folder,
        }
    }

    /// The folder that is `/corpus` inside, as seen from outside.
    pub(crate) fn corpus(&self) -> PathBuf {
        self.folder.path().join("corpus")
    }

    /// Whether it has a file.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        Path::new(&format!("/proc/{}/root/{path}", self.first)).exists()
    }

    /// A command in it, in the network namespace of the calling thread. It is
    /// the child itself that runs it, so that it gets its signals.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first, "--mount", "--root", "--wd"])
            .arg("--no-fork")
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// Runs a shell script in it and in that network namespace; panics unless
    /// it ends well. Daemons that it starts end with the root file system.
    /// Returns what it printed.
    pub(crate) fn shell(
        &self,
        netns: &TestNetns,
        script: &str,
        variables: &[(&str, &str)],
    ) -> String {
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &self.first,
                "--mount",
                "--root",
                "--wd",
                "--pid",
            ])
            .args(["sh", "-euc", script])
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        // Into files: a daemon may hold a pipe open for as long as it lives.
        let paths = ["out", "err"].map(|name| self.folder.path().join(name));
        let [stdout, stderr] = paths
            .each_ref()
            .map(|path| fs::File::create(path).expect("a file"));
        command.stdout(stdout).stderr(stderr);
        let status = netns.inside(|| command.status()).expect("to run nsenter");
        let [stdout, stderr] = paths.map(|path| {
            String::from_utf8_lossy(&fs::read(path).expect("what it printed")).into_owned()
        });
        assert!(status.success(), "{status}: {script}\n{stdout}\n{stderr}");
        stdout
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // The end of its standard input is the end of all that is in it.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
