//! A tap that does not see what its interface carries.

use std::os::fd::AsRawFd as _;

use aya::programs::TcAttachType;
use nix::{
    libc,
    sys::socket::{MsgFlags, send},
};
use tests::{
    Hooks,
    bpf::{Attached, Place, drop_protocol},
    eventually,
    kube_api::Mode,
    packet_socket::{bind_to, unbound},
    scripted_node::NodeAgent,
};

use crate::stage::Stage;

/// For local experiments (IEEE 802): nobody answers, and nobody else sends it.
const ETHER_TYPE: u16 = 0x88b5;

/// Another tool removes the qdisc that podtap's filters hang on.
#[test]
#[ignore = "needs root"]
fn root_a_tap_that_was_taken_off_is_attached_again() {
    let (stage, mut agent) = tapped(&["--hook", "clsact"]);
    let pod = &stage.web.end.netns;
    assert!(Hooks::of(pod, "eth0").has_podtap());
    pod.run("tc qdisc del dev eth0 clsact");
    assert!(!Hooks::of(pod, "eth0").has_podtap());

    eventually("the tap is attached again", || {
        stage.send_from_peer();
        Hooks::of(pod, "eth0").has_podtap().then_some(())
    });
    stage.expect_event("TapBlind", "it is attached again");
    eventually("it is known to see", || {
        stage.send_from_peer();
        (stage.metric("podtap_blind_targets") == 0).then_some(())
    });
    agent.running.wait_for("the tap sees again");
    stage.expect_event("TapSees", "eth0");
    stage.stop(agent);
}

/// Another tool's program comes before podtap's, and drops.
#[test]
#[ignore = "needs root"]
fn root_a_tap_behind_a_program_that_drops_becomes_the_first_again() {
    let (stage, agent) = tapped(&[]);
    let pod = &stage.web.end.netns;
    let foreign = drop_protocol(ETHER_TYPE);
    let program = ("foreign", foreign.as_slice());
    let attached = Attached::new((pod, "eth0"), TcAttachType::Ingress, Place::First, program);
    let order = || Hooks::of(pod, "eth0").tcx_ingress;
    assert_eq!(order(), ["foreign", "podtap_in"]);
    eventually("the tap is the first", || {
        stage.send_from_peer();
        (order() == ["podtap_in", "foreign"]).then_some(())
    });
    eventually("it is known to see", || {
        stage.send_from_peer();
        (stage.metric("podtap_blind_targets") == 0).then_some(())
    });
    drop(attached);
    stage.stop(agent);
}

/// A pod that sends around tc cannot be seen; that is said, and what can be seen
/// stays tapped.
#[test]
#[ignore = "needs root"]
fn root_a_pod_that_sends_around_tc_is_told_of() {
    let (stage, mut agent) = tapped(&[]);
    let pod = &stage.web.end;
    let index = pod.link().index;
    let around = pod.netns.inside(|| {
        let socket = unbound(libc::PACKET_QDISC_BYPASS)?;
        bind_to(&socket, index, 0)?;
        Ok::<_, std::io::Error>(socket)
    });
    let around = around.expect("a packet socket");
    let send_around = || {
        for _ in 0..10 {
            let frame = frame();
            send(around.as_raw_fd(), &frame, MsgFlags::empty()).expect("to send");
        }
    };
    for (reason, text) in [("TapBlind", "attached again"), ("TapBlind", "around tc")] {
        eventually(text, || {
            send_around();
            stage.has_event(reason, text).then_some(())
        });
    }
    agent.running.wait_for("the tap is blind");
    agent.running.wait_for("the tap is blind");
    assert_eq!(stage.metric("podtap_blind_targets"), 1);
    // What is received is seen as before.
    let seen = "podtap_pod_seen_skbs_total{namespace=\"shop\",pod=\"web\",direction=\"in\"}";
    let before = stage.metric(seen);
    stage.send_from_peer();
    eventually("received packets are seen", || {
        (stage.metric(seen) > before).then_some(())
    });
    let log = stage.stop(agent);
    assert_eq!(log.matches("the tap is blind").count(), 2, "{log}");
}

fn tapped(arguments: &[&str]) -> (Stage, NodeAgent) {
    let stage = Stage::new();
    stage.node.api.put("pods", stage.web.labelled());
    stage.node.api.set_mode(Mode::Serving);
    let agent = stage.node.start(stage.agent().args(arguments));
    stage.wait_for_metric("podtap_attached_targets", 1);
    (stage, agent)
}

/// To everybody, and for nobody.
fn frame() -> Vec<u8> {
    let macs = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7];
    [&macs[..], &ETHER_TYPE.to_be_bytes(), &[0; 86]].concat()
}

impl Stage {
    fn send_from_peer(&self) {
        let socket = self.peer.end.packet_socket();
        for _ in 0..10 {
            socket.send(&frame()).expect("to send");
        }
    }

    fn has_event(&self, reason: &str, text: &str) -> bool {
        let reason = format!("\"reason\":\"{reason}\"");
        let requests = self.node.api.requests();
        requests
            .iter()
            .any(|request| request.body.contains(&reason) && request.body.contains(text))
    }

    fn expect_event(&self, reason: &str, text: &str) {
        eventually(&format!("the Event {reason}"), || {
            self.has_event(reason, text).then_some(())
        });
    }
}
