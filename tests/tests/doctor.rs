//! `podtap doctor` says what is missing on a node, and leaves nothing on it.
//!
//! If this fails, whoever installs podtap is sent to the wrong place, or the
//! doctor is what makes the node ill.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Output},
};

use serde_json::Value;
use tests::{Residue, TestNetns, podtap, podtap_path, run};

/// Checks without which nothing is tapped.
const HEART: [&str; 4] = ["programs", "network namespace", "attach", "tun device"];

#[test]
#[ignore = "needs root"]
fn root_a_machine_that_has_all_passes_and_is_left_as_it_was() {
    let node = TestNetns::new();
    let before = node.links();
    let output = node.inside(|| run(podtap().args(["doctor", "--no-api", "-o", "json"])));
    assert!(output.status.success(), "{}", text(&output));
    let findings = findings(&output);
    for name in HEART {
        let finding = of(&findings, name);
        assert_eq!(finding["outcome"], "ok", "{finding}");
    }
    let programs = of(&findings, "programs")["found"].as_str().expect("a text");
    assert!(programs.contains("metadata by "), "{programs}");
    assert_eq!(before, node.links(), "interfaces before and after");
    Residue::assert_none(&[&node]);
}

#[test]
#[ignore = "needs root"]
fn root_without_rights_each_missing_capability_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let everyones = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), everyones).expect("permissions");
    let binary = folder.path().join("podtap");
    fs::copy(podtap_path(), &binary).expect("a copy of the binary");
    const NOBODY: u32 = 65534;
    let mut command = Command::new(&binary);
    command.args(["doctor", "--no-api"]).uid(NOBODY).gid(NOBODY);
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let lines = text(&output);
    for name in ["BPF", "NET_ADMIN", "PERFMON", "SYS_ADMIN", "SYS_PTRACE"] {
        let begins = |line: &&str| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.starts_with(&["fail", "capability", name])
        };
        let line = lines.lines().find(begins);
        let line = line.unwrap_or_else(|| panic!("no line for {name}:\n{lines}"));
        let (_, advice) = line.split_once(" -> ").expect("what to do");
        assert!(advice.contains(name), "{line}");
    }
    for line in lines.lines() {
        assert_eq!(line.contains(" -> "), !line.starts_with("ok "), "{line}");
    }
}

#[test]
#[ignore = "needs root"]
fn root_where_nothing_can_be_pinned_is_said_and_is_no_failure() {
    let bpffs = "mount -t bpf bpf /mnt";
    for (mount, folder, outcome) in [("true", "/mnt", "warn"), (bpffs, "/mnt", "ok")] {
        let script = format!(
            "{mount} && {} doctor --no-api -o json --bpffs {folder} && ls {folder}",
            podtap_path().display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        let output = run(&mut command);
        assert!(output.status.success(), "{}", text(&output));
        let said = text(&output);
        let json = said.rfind(']').expect("JSON") + 1;
        let findings: Vec<Value> = serde_json::from_str(&said[..json]).expect("findings");
        let pins = of(&findings, "pins");
        assert_eq!(pins["outcome"], outcome, "{pins}");
        assert!(!said[json..].contains("podtap"), "left: {}", &said[json..]);
    }
}

#[test]
#[ignore = "needs root"]
fn root_a_tun_device_that_cannot_be_opened_is_said_with_what_to_do() {
    // As three container runtimes leave it: not mounted at all, mounted and
    // forbidden, and something else mounted in its place.
    let forbidden = "mount -t tmpfs -o nodev podtap /dev/net && mknod /dev/net/tun c 10 200";
    for (ruin, found, advice) in [
        ("mount -t tmpfs podtap /dev/net", "not there", "hostPath"),
        (forbidden, "may not be opened", "device plugin"),
        (
            "mount --bind /dev/null /dev/net/tun",
            "not the tun device",
            "hostPath",
        ),
    ] {
        let script = format!("{ruin} && exec \"$0\" doctor --no-api -o json");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .arg(podtap_path());
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(1), "{ruin}: {}", text(&output));
        let findings = findings(&output);
        let finding = of(&findings, "tun device");
        assert_eq!(finding["outcome"], "fail", "{ruin}: {finding}");
        for (member, words) in [("found", found), ("advice", advice)] {
            let text = finding[member].as_str().expect("a text");
            assert!(text.contains(words), "{ruin}: {text}");
        }
        // The others were tried all the same.
        assert_eq!(of(&findings, "programs")["outcome"], "ok", "{ruin}");
    }
    Residue::assert_none(&[]);
}

#[test]
fn a_folder_that_is_no_nodes_proc_and_no_api_server_are_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let (proc, missing) = (folder.path(), folder.path().join("kubeconfig"));
    let mut command = podtap();
    command.args(["doctor", "-o", "json", "--proc"]).arg(proc);
    command.arg("--kubeconfig").arg(missing);
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let findings = findings(&output);
    for (name, advice) in [("proc", "--proc /host/proc"), ("API server", "--no-api")] {
        let finding = of(&findings, name);
        assert_eq!(finding["outcome"], "fail", "{finding}");
        let text = finding["advice"].as_str().expect("what to do");
        assert!(text.contains(advice), "{text}");
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn findings(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

fn of<'a>(findings: &'a [Value], name: &str) -> &'a Value {
    let found = findings.iter().find(|finding| finding["check"] == name);
    found.unwrap_or_else(|| panic!("no check {name}: {findings:?}"))
}
