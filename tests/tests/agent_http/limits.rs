//! A node that has as much to tap as it may.
//!
//! If this fails, podtap takes a node down with it, or a pod waits for a place
//! that is free.

use serde_json::{Value, json};
use tests::{Residue, ScriptedPod, eventually, kube_api::Mode, podtap, run, udp_datagrams};

use crate::stage::Stage;

/// A pod that was made in that year.
fn made_in(year: u16, pod: &ScriptedPod) -> Value {
    let mut pod = pod.labelled();
    pod["metadata"]["creationTimestamp"] = json!(format!("{year}-01-01T00:00:00Z"));
    pod
}

/// The other namespace enforces the tap of its pods.
fn enforce_bank(stage: &Stage) {
    let labels = json!({"podtap.dev/tap": "enforced"});
    stage.node.namespace("bank", &labels);
}

pub(crate) fn status(stage: &Stage) -> String {
    let mut command = podtap();
    command.arg("status").arg("--socket");
    let output = run(command.arg(stage.node.socket()));
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

fn tapped(stage: &Stage, name: &str) -> bool {
    status(stage).contains(&format!("/{name} eth0: "))
}

/// Notes of the Events that were sent.
fn notes(stage: &Stage) -> Vec<String> {
    let requests = stage.node.api.requests();
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
    let new = stage.node.pod("new");
    stage.node.api.put("pods", made_in(2026, &new));
    stage.node.api.set_mode(Mode::Serving);
    let agent = stage.node.start(stage.agent().args(["--max-targets", "1"]));
    eventually("new is tapped", || tapped(&stage, "new").then_some(()));

    // An older one comes: it has the place.
    stage.node.api.put("pods", made_in(2025, &stage.web));
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
    let mut enforced = made_in(2026, &new);
    enforced["metadata"]["namespace"] = json!("bank");
    enforce_bank(&stage);
    stage.node.api.put("pods", enforced);
    eventually("new is tapped", || tapped(&stage, "new").then_some(()));
    assert!(status(&stage).contains("shop/web is not tapped (TargetLimit)"));

    // Its end is room for the other, which nobody has to ask for.
    stage.node.api.remove("pods", "new");
    eventually("web is tapped", || tapped(&stage, "web").then_some(()));
    stage.wait_for_metric(REFUSED, 0);
    stage.stop(agent);
    Residue::assert_none(&[&new.end.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_an_interface_that_comes_to_a_full_node_is_left_out_and_said_so() {
    let stage = Stage::new();
    stage.node.api.put("pods", stage.web.labelled());
    stage.node.api.set_mode(Mode::Serving);
    let agent = stage.node.start(stage.agent().args(["--max-targets", "1"]));
    stage.wait_for_metric("podtap_attached_targets", 1);
    let pod = &stage.web.end.netns;
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
    let new = stage.node.pod("new");
    enforce_bank(&stage);
    stage.node.api.put("pods", made_in(2026, &new));
    let mut old = made_in(2025, &stage.web);
    old["metadata"]["namespace"] = json!("bank");
    stage.node.api.put("pods", old);
    stage.node.api.set_mode(Mode::Serving);
    let agent = stage.node.start(stage.agent().args(["--max-rate", "10k"]));
    stage.wait_for_metric("podtap_attached_targets", 2);
    let (pod, peer) = (&stage.web.end, &stage.peer.end);
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
    let mut light = made_in(2026, &new);
    light["metadata"]["annotations"] = json!({"podtap.dev/direction": "in"});
    stage.node.api.put("pods", light);
    eventually("new is tapped", || tapped(&stage, "new").then_some(()));
    stage.stop(agent);
    Residue::assert_none(&[&new.end.netns]);
}
