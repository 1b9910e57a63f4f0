//! A tap that nobody reads, where the agent is to pause then.
//!
//! If this fails, a node works for a sensor that is not there, or a sensor that
//! came back stays deaf.

use serde_json::json;
use tests::{PacketSocket, Veth, eventually, ping};

use crate::{
    kube_api::Mode,
    limits::{second_pod, status, wait_for_note},
    stage::Stage,
};

fn verdict(stage: &Stage, verdict: &str) -> u64 {
    stage.metric(&format!(
        "podtap_verdict_skbs_total{{direction=\"out\",verdict=\"{verdict}\"}}"
    ))
}

fn sensor(stage: &Stage) -> PacketSocket {
    let links = stage.node.links();
    let tap = links.iter().find(|link| link.kind == "tun");
    let index = tap.expect("the tap").index;
    let open = || PacketSocket::open(index).expect("a packet socket");
    stage.node.inside(open)
}

/// The agent's heartbeat may be late on a busy machine.
fn wait_for_mirrored(stage: &Stage, veth: &Veth) {
    let before = verdict(stage, "mirrored");
    eventually("a ping is mirrored", || {
        ping(&veth.pod, &veth.peer, 100);
        (verdict(stage, "mirrored") > before).then_some(())
    });
}

#[test]
#[ignore = "needs root"]
fn root_nothing_is_copied_while_nobody_listens_and_all_is_when_somebody_does() {
    const ATTACHED: &str = "podtap_attached_targets";
    let stage = Stage::new();
    stage.api.put("pods", stage.pod("web", 1));
    let mut own = stage.pod("podtap", 3);
    let own_uid = own["metadata"]["uid"].as_str().expect("a UID").to_owned();
    own["metadata"]["labels"] = json!({});
    stage.api.put("pods", own);
    stage.api.set_mode(Mode::Serving);
    let pause = ["--no-reader", "pause", "--no-reader-after", "1s"];
    let agent = stage.start(stage.agent().args(pause).args(["--own-pod-uid", &own_uid]));
    stage.wait_for_metric(ATTACHED, 1);
    stage.wait_for_metric("podtap_paused", 1);
    assert!(status(&stage).contains("paused: nobody listens on podtap0"));
    wait_for_note(&stage, "podtap: nobody listens on podtap0");
    wait_for_note(&stage, "podtap pauses");

    // What passes is counted, and not copied; so with a pod that comes.
    let other = stage.pod("new", 2);
    let new = second_pod(&stage, &other);
    stage.api.put("pods", other);
    stage.wait_for_metric(ATTACHED, 2);
    let before = ["mirrored", "dormant"].map(|name| verdict(&stage, name));
    for veth in [&stage.veth, &new] {
        ping(&veth.pod, &veth.peer, 100);
    }
    let after = ["mirrored", "dormant"].map(|name| verdict(&stage, name));
    assert_eq!(after[0], before[0]);
    assert!(after[1] >= before[1] + 2, "{before:?} {after:?}");

    let listens = sensor(&stage);
    stage.wait_for_metric("podtap_paused", 0);
    wait_for_note(&stage, "podtap has gone on");
    for veth in [&stage.veth, &new] {
        wait_for_mirrored(&stage, veth);
    }
    assert!(!status(&stage).contains("paused"));

    // And again.
    drop(listens);
    stage.wait_for_metric("podtap_paused", 1);
    stage.stop(agent);
}

#[test]
#[ignore = "needs root"]
fn root_an_agent_that_is_not_told_to_pause_does_not() {
    let stage = Stage::new();
    stage.api.put("pods", stage.pod("web", 1));
    stage.api.set_mode(Mode::Serving);
    let mut agent = stage.start(stage.agent().args(["--no-reader-after", "1s"]));
    stage.wait_for_metric("podtap_attached_targets", 1);
    agent.wait_for("nobody listens on the tap");
    assert_eq!(stage.metric("podtap_paused"), 0);
    wait_for_mirrored(&stage, &stage.veth);
    stage.stop(agent);
}
