//! A node that has as much to tap as it may.
//!
//! If this fails, podtap takes a node down with it, or a pod waits for a place
//! that is free.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};
use tests::{Residue, Veth, eventually, podtap, run, udp_datagrams};

use crate::{kube_api::Mode, stage::Stage};

/// Puts a process of a second pod on the node: where it lives.
pub(crate) fn second_pod(stage: &Stage, pod: &Value) -> Veth {
    let veth = Veth::ipv4_only();
    let process = stage.path("proc/101");
    fs::create_dir_all(process.join("ns")).expect("a folder");
    let uid = pod["metadata"]["uid"].as_str().expect("a UID");
    fs::write(process.join("cgroup"), format!("0::/kubepods/pod{uid}/c\n")).expect("a file");
    symlink(veth.pod.netns.path(), process.join("ns/net")).expect("a link");
    veth
}

/// A pod that was made in that year.
fn pod_of(stage: &Stage, name: &str, number: u8, year: u16) -> Value {
    let mut pod = stage.pod(name, number);
    pod["metadata"]["creationTimestamp"] = json!(format!("{year}-01-01T00:00:00Z"));
    pod
}

fn namespace(label: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "bank", "labels": {"podtap.dev/tap": label}},
    })
}

pub(crate) fn status(stage: &Stage) -> String {
    let mut command = podtap();
    command.arg("status").arg("--socket");
    let output = run(command.arg(stage.path("agent.sock")));
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

fn tapped(stage: &Stage, name: &str) -> bool {
    status(stage).contains(&format!("/{name} eth0: "))
}

/// Notes of the Events that were sent.
fn notes(stage: &Stage) -> Vec<String> {
    let requests = stage.api.requests();
    let events = requests
        .iter()
        .filter(|request| request.line.starts_with("POST"));
    events
        .map(|event| {
            let body: Value = serde_json::from_str(&event.body).expect("an Event");
            let name = body["regarding"]["name"].as_str().expect("a name");
            format!("{name}: {}", body["note"].as_str().expect("a note"))
        })
        .collect()
}

pub(crate) fn wait_for_note(stage: &Stage, text: &str) {
    eventually(text, || {
        let notes = notes(stage);
        notes.iter().any(|note| note.contains(text)).then_some(())
    });
}

#[test]
#[ignore = "needs root"]
fn root_a_full_node_taps_the_older_pod_and_an_enforced_one_before_it() {
    const REFUSED: &str = "podtap_refused_pods{reason=\"target_limit\"}";
    let stage = Stage::new();
    let new = pod_of(&stage, "new", 2, 2026);
    let veth = second_pod(&stage, &new);
    stage.api.put("pods", new);
    stage.api.set_mode(Mode::Serving);
    let agent = stage.start(stage.agent().args(["--max-targets", "1"]));
    eventually("new is tapped", || tapped(&stage, "new").then_some(()));

    // An older one comes: it has the place.
    stage.api.put("pods", pod_of(&stage, "web", 1, 2025));
    eventually("web is tapped", || tapped(&stage, "web").then_some(()));
    stage.wait_for_metric(REFUSED, 1);
    assert_eq!(stage.metric("podtap_attached_targets"), 1);
    assert_eq!(stage.metric("podtap_wanted_pods"), 2);
    assert!(
        status(&stage).contains("shop/new is not tapped (TargetLimit): this node taps at most 1")
    );
    wait_for_note(&stage, "new: its place is needed by another pod");
    wait_for_note(&stage, "new: TargetLimit: this node taps at most 1");

    // The newer one's namespace enforces its tap.
    let mut enforced = pod_of(&stage, "new", 2, 2026);
    enforced["metadata"]["namespace"] = json!("bank");
    stage.api.put("namespaces", namespace("enforced"));
    stage.api.put("pods", enforced);
    eventually("new is tapped", || tapped(&stage, "new").then_some(()));
    assert!(status(&stage).contains("shop/web is not tapped (TargetLimit)"));

    // Its end is room for the other, which nobody has to ask for.
    stage.api.remove("pods", "new");
    eventually("web is tapped", || tapped(&stage, "web").then_some(()));
    stage.wait_for_metric(REFUSED, 0);
    stage.stop(agent);
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_an_interface_that_comes_to_a_full_node_is_left_out_and_said_so() {
    let stage = Stage::new();
    stage.api.put("pods", stage.pod("web", 1));
    stage.api.set_mode(Mode::Serving);
    let agent = stage.start(stage.agent().args(["--max-targets", "1"]));
    stage.wait_for_metric("podtap_attached_targets", 1);
    let pod = &stage.veth.pod.netns;
    // By the look that finds the second, the first is no news.
    for name in ["late", "later"] {
        pod.run(&format!("ip link add {name} type veth peer name {name}-p"));
        pod.run(&format!("ip link set {name} up"));
        let left_out = format!("its interface {name} alone");
        eventually(&left_out, || {
            status(&stage).contains(&left_out).then_some(())
        });
    }
    assert_eq!(stage.metric("podtap_attached_targets"), 1);
    pod.run("ip link del late");
    pod.run("ip link del later");
    eventually("they are forgotten", || {
        (!status(&stage).contains("late")).then_some(())
    });
    let log = stage.stop(agent);
    let said = log.matches("an interface that has come").count();
    assert_eq!(said, 2, "{log}");
}

#[test]
#[ignore = "needs root"]
fn root_the_newest_pod_makes_room_while_all_carry_too_much() {
    const REFUSED: &str = "podtap_refused_pods{reason=\"rate_limit\"}";
    let stage = Stage::new();
    let new = pod_of(&stage, "new", 2, 2026);
    let veth = second_pod(&stage, &new);
    stage.api.put("namespaces", namespace("enforced"));
    stage.api.put("pods", new.clone());
    let mut old = pod_of(&stage, "web", 1, 2025);
    old["metadata"]["namespace"] = json!("bank");
    stage.api.put("pods", old);
    stage.api.set_mode(Mode::Serving);
    let agent = stage.start(stage.agent().args(["--max-rate", "10k"]));
    stage.wait_for_metric("podtap_attached_targets", 2);
    let (pod, peer) = (&stage.veth.pod, &stage.veth.peer);
    eventually("the newer one makes room", || {
        udp_datagrams((pod, pod.ipv4), (peer, peer.ipv4), &[1000; 20], None);
        (stage.metric(REFUSED) == 1).then_some(())
    });
    assert!(tapped(&stage, "web") && !tapped(&stage, "new"));
    assert!(status(&stage).contains("shop/new is not tapped (RateLimit): the tapped pods"));
    wait_for_note(&stage, "new: the tapped pods carry more than they may");
    wait_for_note(
        &stage,
        "new: RateLimit: the tapped pods of this node carried",
    );
    // It is to be tapped otherwise: that is tried at once.
    let mut light = new;
    light["metadata"]["annotations"] = json!({"podtap.dev/direction": "in"});
    stage.api.put("pods", light);
    eventually("new is tapped", || tapped(&stage, "new").then_some(()));
    stage.stop(agent);
    Residue::assert_none(&[&veth.pod.netns]);
}
