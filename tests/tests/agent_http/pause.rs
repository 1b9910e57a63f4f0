//! A tap that nobody reads, where the agent is to pause then.
//!
//! If this fails, a node works for a sensor that is not there, or a sensor that
//! came back stays deaf.

use tests::{PacketSocket, ScriptedPod, eventually, kube_api::Mode, ping};

use crate::{
    limits::{status, wait_for_note},
    stage::Stage,
};

fn verdict(stage: &Stage, verdict: &str) -> u64 {
    stage.metric(&format!(
        "podtap_verdict_skbs_total{{direction=\"out\",verdict=\"{verdict}\"}}"
    ))
}

fn sensor(stage: &Stage) -> PacketSocket {
    let links = stage.node.netns.links();
    let tap = links.iter().find(|link| link.kind == "tun");
    let index = tap.expect("the tap").index;
    let open = || PacketSocket::open(index).expect("a packet socket");
    stage.node.netns.inside(open)
}

/// The agent's heartbeat may be late on a busy machine.
fn wait_for_mirrored(stage: &Stage, pod: &ScriptedPod) {
    let before = verdict(stage, "mirrored");
    eventually("a ping is mirrored", || {
        ping(&pod.end, &stage.peer.end, 100);
        (verdict(stage, "mirrored") > before).then_some(())
    });
}

#[test]
#[ignore = "needs root"]
fn root_nothing_is_copied_while_nobody_listens_and_all_is_when_somebody_does() {
    const ATTACHED: &str = "podtap_attached_targets";
    let stage = Stage::new();
    stage.node.api.put("pods", stage.web.labelled());
    let own = stage.node.pod("podtap");
    stage.node.api.put("pods", own.unlabelled());
    stage.node.api.set_mode(Mode::Serving);
    let pause = ["--no-reader", "pause", "--no-reader-after", "1s"];
    let agent = stage
        .node
        .start(stage.agent().args(pause).args(["--own-pod-uid", &own.uid]));
    stage.wait_for_metric(ATTACHED, 1);
    stage.wait_for_metric("podtap_paused", 1);
    assert!(status(&stage).contains("paused: nobody listens on podtap0"));
    wait_for_note(&stage, "podtap: nobody listens on podtap0");
    wait_for_note(&stage, "podtap pauses");

    // What passes is counted, and not copied; so with a pod that comes.
    let new = stage.node.pod("new");
    stage.node.api.put("pods", new.labelled());
    stage.wait_for_metric(ATTACHED, 2);
    let before = ["mirrored", "dormant"].map(|name| verdict(&stage, name));
    for pod in [&stage.web, &new] {
        ping(&pod.end, &stage.peer.end, 100);
    }
    let after = ["mirrored", "dormant"].map(|name| verdict(&stage, name));
    assert_eq!(after[0], before[0]);
    assert!(after[1] >= before[1] + 2, "{before:?} {after:?}");

    let listens = sensor(&stage);
    stage.wait_for_metric("podtap_paused", 0);
    wait_for_note(&stage, "podtap has gone on");
    for pod in [&stage.web, &new] {
        wait_for_mirrored(&stage, pod);
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
    stage.node.api.put("pods", stage.web.labelled());
    stage.node.api.set_mode(Mode::Serving);
    let mut agent = stage
        .node
        .start(stage.agent().args(["--no-reader-after", "1s"]));
    stage.wait_for_metric("podtap_attached_targets", 1);
    agent.running.wait_for("nobody listens on the tap");
    assert_eq!(stage.metric("podtap_paused"), 0);
    wait_for_mirrored(&stage, &stage.web);
    stage.stop(agent);
}
