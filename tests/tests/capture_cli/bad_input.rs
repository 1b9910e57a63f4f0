//! What cannot be meant is refused, and nothing half made is left behind.

use std::{fs, path::Path, process::Command};

use tests::{Residue, TestNetns, Veth, podtap, run};

use crate::{kubeconfig, refused::assert_refused};

#[test]
#[ignore = "needs root"]
fn root_bad_input_is_one_line_and_nothing_half_made() {
    let (node, veth) = (TestNetns::new(), Veth::ipv4_only());
    let folder = tempfile::tempdir().expect("a folder");
    let written = folder.path().join("capture.pcapng");
    let written = written.to_string_lossy();
    let pod = veth.pod.netns.path();
    let pod = pod.to_string_lossy();
    let [unreadable, empty, garbled, closed] =
        ["unreadable", "empty", "garbled", "closed"].map(|name| folder.path().join(name));
    fs::create_dir(&unreadable).expect("a folder");
    fs::write(&empty, "").expect("a file");
    fs::write(&garbled, "clusters: [}").expect("a file");
    fs::write(&closed, kubeconfig::of_nobody()).expect("a file");
    let [unreadable, empty, garbled, closed] =
        [&unreadable, &empty, &garbled, &closed].map(|path| path.to_string_lossy());
    let missing = folder.path().join("missing");
    let missing = missing.to_string_lossy();
    let no_folder = format!("{missing}/capture.pcapng");
    let (gone_pid, write) = (gone_pid().to_string(), ["-w", &written]);
    let with = |arguments: &[&str]| {
        let mut all = vec!["capture"];
        all.extend(arguments);
        all.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let of_pod = |kubeconfig: &str| with(&["--pod", "shop/web", "--kubeconfig", kubeconfig]);
    let agent = |kubeconfig: &str| -> Vec<String> {
        let socket = folder.path().join("agent.sock");
        [
            "agent",
            "--tap",
            "podtap0",
            "--kubeconfig",
            kubeconfig,
            "--socket",
        ]
        .into_iter()
        .map(ToOwned::to_owned)
        .chain([socket.to_string_lossy().into_owned()])
        .collect()
    };
    let cases = [
        (
            with(&["--netns", "no-such-name", write[0], write[1]]),
            "no network namespace `no-such-name`",
        ),
        (
            with(&["--netns", "/proc/self/status"]),
            "/proc/self/status is no network namespace",
        ),
        (
            with(&["--netns", "/proc/self/ns/mnt"]),
            "/proc/self/ns/mnt is no network namespace",
        ),
        (with(&["--netns", "/"]), "/ is no network namespace"),
        (with(&["--pid", &gone_pid]), "no process"),
        (with(&["--pid", "0"]), "no process 0"),
        (
            with(&["--pid", "web"]),
            "invalid value 'web' for '--pid <PID>'",
        ),
        (
            with(&["--netns", &pod, "--interface", "eth7"]),
            "no interface `eth7` here; there are lo, eth0",
        ),
        (
            with(&["--netns", &pod, "--interface", "eth7", write[0], write[1]]),
            "no interface `eth7`",
        ),
        (
            with(&["--netns", &pod, "--tap", "sixteen-letters0"]),
            "is no name for a tap: 1 to 15 bytes",
        ),
        (
            with(&["--netns", &pod, "--tap", "lo"]),
            "is taken by an interface",
        ),
        (
            with(&["--netns", &pod, "--ring-bytes", "1"]),
            "a ring of 1 bytes: it must be a power of two",
        ),
        (
            with(&["--netns", &pod, "--ring-bytes", "12345"]),
            "a ring of 12345 bytes",
        ),
        (
            with(&["--netns", &pod, "--ring-bytes", "0"]),
            "--ring-bytes",
        ),
        (
            with(&["--netns", &pod, "--hook", "xdp"]),
            "none of auto, tcx, clsact",
        ),
        (
            with(&["--netns", &pod, "--duration", "30"]),
            "a unit is wanted",
        ),
        (
            with(&["--netns", &pod, "--duration", "0s"]),
            "no time at all",
        ),
        (
            with(&["--netns", &pod, "--packet-count", "0"]),
            "--packet-count",
        ),
        (with(&["--netns", &pod, "--direction", "up"]), "--direction"),
        (
            with(&["--netns", &pod, "-w", &no_folder]),
            "No such file or directory",
        ),
        (with(&["--netns", &pod, "-w", "/"]), "cannot write to /"),
        (
            with(&["--netns", &pod, "--pid", "1"]),
            "cannot be used with",
        ),
        (with(&[]), "--pid"),
        (with(&["--pod", "web"]), "NAMESPACE/NAME"),
        (of_pod(&missing), "cannot use kubeconfig"),
        (of_pod(&unreadable), "cannot use kubeconfig"),
        (of_pod(&empty), "cannot use kubeconfig"),
        (of_pod(&garbled), "cannot use kubeconfig"),
        (of_pod(&closed), "does not answer"),
        (agent(&missing), "cannot use kubeconfig"),
        (agent(&closed), "does not answer"),
        (vec!["agent".into()], "--tap"),
        (vec!["unknown".into()], "unrecognized subcommand 'unknown'"),
    ];
    for (arguments, reason) in cases {
        let output = node.inside(|| run(podtap().args(&arguments)));
        assert_refused(&output, reason, &arguments);
        let left = Residue::of(&[&node, &veth.pod.netns]);
        assert!(
            left.iter().all(|left| left.starts_with("the program")),
            "{arguments:?}: {left:?}"
        );
        // An empty file would look like a capture in which nothing happened.
        assert!(
            !Path::new(&*written).exists(),
            "{arguments:?}: a file was left"
        );
    }
    assert!(!folder.path().join("agent.sock").exists());
    // The kernel frees programs some time after their last user.
    Residue::assert_none(&[&node, &veth.pod.netns]);
}

/// The number of a process that has ended.
fn gone_pid() -> u32 {
    let mut child = Command::new("true").spawn().expect("to run true");
    child.wait().expect("its end");
    child.id()
}
