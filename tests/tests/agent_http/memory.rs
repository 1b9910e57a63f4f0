//! An agent in a cgroup that is too small for it.
//!
//! If this fails, it is ended by the kernel some time later, and nobody knows
//! why.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tests::{Residue, eventually, podtap, run};

use crate::stage::Stage;

/// A cgroup with a memory limit, of version 1 where that has the memory.
struct Limited(PathBuf);

impl Limited {
    /// `None` where the memory of a cgroup cannot be limited here: another
    /// cgroup's root, or a controller that is not handed on.
    fn new(bytes: u64) -> Option<Self> {
        let (root, file) = match Path::new("/sys/fs/cgroup/memory") {
            root if root.exists() => (root, "memory.limit_in_bytes"),
            _ => (Path::new("/sys/fs/cgroup"), "memory.max"),
        };
        let folder = root.join(format!("podtap-test-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let this = Self(folder);
        fs::write(this.0.join(file), bytes.to_string()).ok()?;
        Some(this)
    }

    /// The same command, which goes into the cgroup first.
    fn put(&self, command: &Command) -> Command {
        let mut inside = Command::new("sh");
        inside
            .args(["-c", "echo $$ >\"$0\" && exec \"$@\""])
            .arg(self.0.join("cgroup.procs"))
            .arg(command.get_program())
            .args(command.get_args());
        inside
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // Who has ended may be in it for a moment.
        eventually("the cgroup is empty", || fs::remove_dir(&self.0).ok());
    }
}

#[test]
#[ignore = "needs root"]
fn root_a_memory_limit_below_the_rings_size_is_said_at_the_start() {
    let stage = Stage::new();
    let Some(limited) = Limited::new(96 << 20) else {
        eprintln!("skipped: no cgroup's memory can be limited here");
        return;
    };
    let start = || run(&mut limited.put(&stage.agent()));
    let output = stage.node.netns.inside(start);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in [
        "96 MiB",
        "ring of 64 MiB",
        "128 MiB at least",
        "--ring-bytes",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!stage.node.socket().exists());

    let mut doctor = podtap();
    doctor.args(["doctor", "--no-api"]);
    let memory = |command: &Command| {
        let output = run(&mut limited.put(command));
        let lines = String::from_utf8(output.stdout).expect("text");
        let line = lines.lines().find(|line| line.contains("memory limit"));
        line.expect("a line").to_owned()
    };
    let too_large = memory(&doctor);
    assert!(too_large.starts_with("fail"), "{too_large}");
    assert!(too_large.contains("-> set it to 128 MiB"), "{too_large}");
    doctor.args(["--ring-bytes", "16777216"]);
    let fits = memory(&doctor);
    assert!(fits.starts_with("ok"), "{fits}");
    Residue::assert_none(&[&stage.node.netns, &stage.web.end.netns]);
}
