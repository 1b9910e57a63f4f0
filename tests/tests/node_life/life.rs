//! Pods that end, do not end, and follow each other.

use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use nix::sys::signal::Signal;
use tests::{
    DEADLINE, Hooks, PacketSocket, ScriptedNode, ScriptedPod, TestBpffs, eventually,
    kube_api::Mode, scripted_node::TAP, udp_datagrams,
};

use crate::{expect_traffic_seen, target, trouble::events_of};

#[test]
#[ignore = "needs root"]
fn root_an_address_that_another_pod_takes_over_is_the_others_alone() {
    let node = ScriptedNode::new();
    let peer = node.pod("peer");
    let agent = node.start(&mut node.agent());
    node.wait_for_watches();
    let tap = node.netns.link(TAP).expect("the tap").index;
    let sensor = node.netns.inside(|| PacketSocket::open(tap));
    let sensor = sensor.expect("a packet socket");
    // What is told first, the end or the beginning, is a matter of chance.
    for is_end_first in [true, false] {
        let first = node.pod("first");
        let address = first.ip;
        node.api.put("pods", first.labelled());
        node.wait_for_tapped(&[&first]);
        send(&first, &peer, 111);
        expect_frames(&sensor, &first, 111);

        drop(first);
        let mut second = node.pod_with("second", address);
        second.namespace = "bank".into();
        if is_end_first {
            node.api.remove("pods", "first");
        }
        node.api.put("pods", second.labelled());
        if !is_end_first {
            node.api.remove("pods", "first");
        }
        let status = node.wait_for_tapped(&[&second]);
        assert_eq!(target(&status, &second).namespace, "bank");
        send(&second, &peer, 222);
        expect_frames(&sensor, &second, 222);
        node.api.remove("pods", "second");
        node.wait_for_tapped(&[]);
    }
    node.end_all(agent, &[&peer]);
}

/// So many datagrams of that length.
fn send(from: &ScriptedPod, to: &ScriptedPod, length: usize) {
    let (from, to) = (&from.end, &to.end);
    udp_datagrams((from, from.ipv4), (to, to.ipv4), &[length; 5], None);
}

/// Panics unless all datagrams that come on the tap are of that address and
/// length, and those five do come.
fn expect_frames(sensor: &PacketSocket, from: &ScriptedPod, length: usize) {
    let mut seen = 0;
    while seen < 5 {
        let frame = sensor.receive(DEADLINE).expect("the tap").expect("a frame");
        seen += usize::from(is_datagram(&frame, from, length));
    }
    while let Some(frame) = sensor.receive(Duration::from_millis(1)).expect("the tap") {
        is_datagram(&frame, from, length);
    }
}

fn is_datagram(frame: &[u8], from: &ScriptedPod, length: usize) -> bool {
    let packet = SlicedPacket::from_ethernet(frame).expect("a frame");
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (packet.net, packet.transport)
    else {
        return false;
    };
    assert_eq!(ip.header().source_addr(), from.ip);
    assert_eq!(udp.payload().len(), length, "of the pod before");
    true
}

#[test]
#[ignore = "needs root"]
fn root_a_namespace_that_is_gone_before_the_api_says_so_ends_its_tap() {
    let node = ScriptedNode::new();
    let (web, other) = (node.pod("web"), node.pod("other"));
    node.api.put("pods", web.labelled());
    let agent = node.start(&mut node.agent());
    node.wait_for_tapped(&[&web]);
    node.wait_for_watches();
    let uid = web.uid.clone();
    drop(web);
    node.wait_for_tapped(&[]);
    eventually("its owner is told", || {
        let events = events_of(&node, &uid);
        events.contains(&"Untapped".to_owned()).then_some(())
    });

    let told = node
        .api
        .count("POST /apis/events.k8s.io/v1/namespaces/shop");
    node.api.remove("pods", "web");
    node.api.put("pods", other.labelled());
    node.wait_for_tapped(&[&other]);
    let status = node.status();
    assert_eq!(status.refused, [], "of a pod that is gone");
    eventually("it is told that the other one is tapped", || {
        (events_of(&node, &other.uid) == ["Tapped"]).then_some(())
    });
    let events = node
        .api
        .count("POST /apis/events.k8s.io/v1/namespaces/shop");
    // Of the other, and if that took long, that the first one is not to be
    // found; of its deletion nothing.
    assert!(events - told <= 2, "{:?}", node.api.requests());
    let log = node.end_all(agent, &[&other]);
    assert!(!log.contains("ERROR"), "{log}");
    assert_eq!(log.matches("the interface is gone").count(), 1, "{log}");
    let untapped = log.lines().filter(|line| {
        line.contains("untapped") && (line.contains("shop/web") || line.contains(&uid))
    });
    assert_eq!(untapped.count(), 1, "{log}");
}

#[test]
#[ignore = "needs root"]
fn root_a_pod_that_never_ends_terminating_stays_tapped() {
    let node = ScriptedNode::new();
    let [web, peer, other] = ["web", "peer", "other"].map(|name| node.pod(name));
    node.api.put("pods", web.labelled());
    let agent = node.start(&mut node.agent());
    let before = node.wait_for_tapped(&[&web]);
    node.wait_for_watches();
    let mut object = web.labelled();
    object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    object["metadata"]["deletionGracePeriodSeconds"] = 30.into();
    node.api.put("pods", object);
    // What comes after it on the watch is done.
    node.api.put("pods", other.labelled());
    let after = node.wait_for_tapped(&[&web, &other]);
    assert_eq!(
        target(&after, &web).since_ns,
        target(&before, &web).since_ns
    );
    expect_traffic_seen(&node, &web, &peer);
    node.end_all(agent, &[&web, &peer, &other]);
}

#[test]
#[ignore = "needs root"]
fn root_a_pod_that_ends_while_no_agent_is_there_is_forgotten_by_the_next() {
    let (node, bpffs) = (ScriptedNode::new(), TestBpffs::new());
    let (web, other) = (node.pod("web"), node.pod("other"));
    node.api.put("pods", web.labelled());
    node.api.put("pods", other.labelled());
    let mut first = node.start(&mut node.agent_on(&bpffs));
    node.wait_for_tapped(&[&web, &other]);
    first.running.signal(Signal::SIGKILL);
    first.running.wait();
    assert_eq!(node.pinned(&bpffs).len(), 2);
    drop(web);
    node.api.remove("pods", "web");

    let second = node.start(&mut node.agent_on(&bpffs));
    node.wait_for_tapped(&[&other]);
    eventually("the pins of the other alone are left", || {
        let pinned = node.pinned(&bpffs);
        let is_others = |name: &String| name.starts_with(&other.uid);
        (pinned.len() == 1 && pinned.iter().all(is_others)).then_some(())
    });
    node.api.remove("pods", "other");
    node.wait_for_tapped(&[]);
    node.end_all(second, &[&other]);
}

/// An agent that ends before it was told of a pod knows as little of what its
/// predecessor left as of anything else.
#[test]
#[ignore = "needs root"]
fn root_taps_survive_an_agent_that_never_hears_of_their_pods() {
    let (node, bpffs) = (ScriptedNode::new(), TestBpffs::new());
    let (web, peer) = (node.pod("web"), node.pod("peer"));
    node.api.put("pods", web.labelled());
    let mut first = node.start(&mut node.agent_on(&bpffs));
    let seen_before = expect_seen(&node, &web, &peer);
    first.running.signal(Signal::SIGKILL);
    first.running.wait();

    assert_eq!(node.pinned(&bpffs).len(), 1);
    node.api.set_mode(Mode::Unlisted);
    let second = node.start(&mut node.agent_on(&bpffs));
    let log = node.end(second);
    assert!(log.contains("left to the next agent"), "{log}");
    assert_eq!(node.pinned(&bpffs).len(), 1, "{log}");
    assert!(Hooks::of(&web.end.netns, "eth0").has_podtap(), "{log}");

    node.api.set_mode(Mode::Serving);
    let third = node.start(&mut node.agent_on(&bpffs));
    node.wait_for_tapped(&[&web]);
    let seen = expect_seen(&node, &web, &peer);
    assert!(seen > seen_before, "the ledger began anew");
    node.api.remove("pods", "web");
    node.wait_for_tapped(&[]);
    node.end_all(third, &[&web, &peer]);
}

/// Pods are tapped some at a time, and none of a former agent's taps ends before
/// its turn has come.
#[test]
#[ignore = "needs root"]
fn root_more_taps_than_are_made_at_once_are_all_taken_over() {
    const PODS: usize = 20;
    let (node, bpffs) = (ScriptedNode::new(), TestBpffs::new());
    let pods: Vec<_> = (0..PODS)
        .map(|number| node.pod(&format!("pod-{number}")))
        .collect();
    let all: Vec<_> = pods.iter().collect();
    for pod in &pods {
        node.api.put("pods", pod.labelled());
    }
    let mut first = node.start(&mut node.agent_on(&bpffs));
    node.wait_for_tapped(&all);
    first.running.signal(Signal::SIGKILL);
    first.running.wait();

    let second = node.start(&mut node.agent_on(&bpffs));
    node.wait_for_tapped(&all);
    for pod in &pods {
        node.api.remove("pods", &pod.name);
    }
    node.wait_for_tapped(&[]);
    let log = node.end_all(second, &all);
    assert_eq!(log.matches("taken_over=true").count(), PODS, "{log}");
}

/// Sends some datagrams and says how many the tap saw in its life.
fn expect_seen(node: &ScriptedNode, from: &ScriptedPod, to: &ScriptedPod) -> u64 {
    node.wait_for_tapped(&[from]);
    expect_traffic_seen(node, from, to);
    target(&node.status(), from).sent.seen.packets
}
