//! What is asked for is right, but not here: without rights, onto a terminal.

use std::{
    fs::{self, File},
    io::Read as _,
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::{fs::PermissionsExt as _, process::CommandExt as _},
    },
    process::{Command, Output},
};

use nix::libc;
use tests::{Residue, Running, Veth, capture_of, podtap_path, run};

use crate::{kubeconfig, refused::assert_refused};

const NOBODY: u32 = 65_534;

#[test]
#[ignore = "needs root"]
fn root_without_root_it_says_so_in_one_line() {
    let veth = Veth::ipv4_only();
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
    let copy = folder.path().join("podtap");
    fs::copy(podtap_path(), &copy).expect("a copy that nobody may run");
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, kubeconfig::of_nobody()).expect("a file");
    let kubeconfig = kubeconfig.to_string_lossy();
    let netns = veth.pod.netns.path();
    let netns = netns.to_string_lossy();
    let cases: [(&[&str], &str); 3] = [
        (&["capture", "--netns", &netns], "capturing needs root"),
        (
            &["capture", "--pid", "1", "-w", "-"],
            "capturing needs root",
        ),
        (
            &["agent", "--tap", "podtap0", "--kubeconfig", &kubeconfig],
            "the agent needs root",
        ),
    ];
    for (arguments, reason) in cases {
        let output = run(Command::new(&copy).args(arguments).uid(NOBODY).gid(NOBODY));
        assert_refused(&output, reason, arguments);
    }
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_packets_do_not_go_to_a_terminal() {
    let veth = Veth::ipv4_only();
    let (mut screen, terminal) = terminal();
    let mut command = capture_of(&veth.pod);
    command.args(["-w", "-"]).stdout(terminal);
    let mut capture = Running::spawn(&mut command);
    drop(command);
    let (status, log) = capture.wait_status();
    let output = Output {
        status,
        stdout: Vec::new(),
        stderr: log.into_bytes(),
    };
    let arguments = ["-w", "-"];
    assert_refused(&output, "packets are no text for a terminal", &arguments);
    // The other end is closed: what was written, then an error.
    let mut written = Vec::new();
    let _ = screen.read_to_end(&mut written);
    assert!(
        written.is_empty(),
        "on the terminal: {}",
        written.escape_ascii()
    );
    Residue::assert_none(&[&veth.pod.netns]);
}

/// A terminal: the side that a person sees, and the side that a program
/// writes to.
fn terminal() -> (File, OwnedFd) {
    let (mut screen, mut terminal) = (-1, -1);
    // SAFETY: two places for descriptors; the rest may be null.
    let failed = unsafe {
        libc::openpty(
            &raw mut screen,
            &raw mut terminal,
            std::ptr::null_mut(),
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    assert_eq!(failed, 0, "a terminal");
    // SAFETY: openpty made it, and nobody else has it.
    let screen = unsafe { File::from_raw_fd(screen) };
    // SAFETY: as above.
    let terminal = unsafe { OwnedFd::from_raw_fd(terminal) };
    (screen, terminal)
}
