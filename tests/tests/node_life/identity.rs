//! Whose network namespace it is.

use serde_json::{Value, json};
use tests::{Hooks, ScriptedNode, ScriptedPod, TestNetns, eventually};

use crate::{expect_traffic_seen, trouble::events_of};

#[test]
#[ignore = "needs root"]
fn root_a_namespace_that_a_pods_process_made_for_itself_is_not_the_pods() {
    let node = ScriptedNode::new();
    let (mut web, peer) = (node.pod("web"), node.pod("peer"));
    // More of them than of its own.
    let own = [
        made_by_a_process(),
        made_by_a_process(),
        made_by_a_process(),
    ];
    for netns in &own {
        node.add_process(&mut web, &netns.path());
    }
    node.api.put("pods", web.labelled());
    let agent = node.start(&mut node.agent());
    node.wait_for_tapped(&[&web]);
    expect_traffic_seen(&node, &web, &peer);
    for netns in &own {
        assert!(!Hooks::of(netns, "own0").has_podtap(), "it is tapped");
    }
    node.end_all(agent, &[&web, &peer]);
}

#[test]
#[ignore = "needs root"]
fn root_a_pod_of_two_namespaces_without_its_address_is_refused_and_told() {
    let node = ScriptedNode::new();
    let mut web = node.pod("web");
    let own = made_by_a_process();
    node.add_process(&mut web, &own.path());
    let mut object = web.labelled();
    object["status"]["podIP"] = "10.98.0.1".into();
    object["status"]["podIPs"] = json!([{"ip": "10.98.0.1"}]);
    node.api.put("pods", object);
    let agent = node.start(&mut node.agent());
    let refused = eventually("it is refused", || node.status().refused.pop());
    assert_eq!(refused.reason, "NetnsAmbiguous");
    assert!(refused.message.contains("10.98.0.1"), "{refused:?}");
    eventually("its owner is told", || {
        (events_of(&node, &web.uid) == ["Refused"]).then_some(())
    });
    assert!(node.tapped().is_empty());

    // Its address makes it clear.
    node.api.put("pods", web.labelled());
    node.wait_for_tapped(&[&web]);
    assert_eq!(node.status().refused, []);
    assert!(!Hooks::of(&own, "own0").has_podtap(), "it is tapped");
    node.end_all(agent, &[&web]);
}

/// A static pod's processes are in cgroups of its manifest's hash, which its
/// mirror pod has as an annotation; anyone can write that on a pod.
#[test]
#[ignore = "needs root"]
fn root_a_static_pod_is_tapped_and_nobody_else_under_its_name() {
    const HASH: &str = "0123456789abcdef0123456789abcdef";
    let node = ScriptedNode::new();
    let [mut victim, forger, peer] = ["victim", "forger", "peer"].map(|name| node.pod(name));
    victim.end_processes();
    victim.cgroup_uid = HASH.into();
    let netns = victim.end.netns.path();
    node.add_process(&mut victim, &netns);
    let mut forged = forger.labelled();
    forged["metadata"]["annotations"] = json!({"kubernetes.io/config.hash": HASH});
    // Its address too: that is in its status, which not everyone can write.
    forged["status"] = victim.labelled()["status"].clone();
    node.api.put("pods", forged);
    let agent = node.start(&mut node.agent());
    node.wait_for_tapped(&[&forger]);
    assert!(!is_tapped(&victim), "by another pod's label");
    assert!(is_tapped(&forger));

    node.api.put("pods", mirror(&victim, HASH));
    node.wait_for_tapped(&[&forger, &victim]);
    assert!(is_tapped(&victim));
    expect_traffic_seen(&node, &victim, &peer);
    node.end_all(agent, &[&victim, &forger, &peer]);
}

/// A static pod as the API server has it.
fn mirror(pod: &ScriptedPod, hash: &str) -> Value {
    let mut object = pod.labelled();
    object["metadata"]["annotations"] = json!({
        "kubernetes.io/config.hash": hash,
        "kubernetes.io/config.mirror": hash,
    });
    object
}

fn is_tapped(pod: &ScriptedPod) -> bool {
    Hooks::of(&pod.end.netns, "eth0").has_podtap()
}

/// With an interface that is up, as a pod's own has one.
fn made_by_a_process() -> TestNetns {
    let netns = TestNetns::new();
    netns.run("ip link add own0 type veth peer name own1");
    netns.run("ip link set own0 up");
    netns.run("ip link set own1 up");
    netns
}
