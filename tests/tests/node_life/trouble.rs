//! The API server is away, frozen, forgetful, busy, or refuses us. What is
//! tapped stays tapped, and what changed meanwhile is caught up.

use serde_json::Value;
use tests::{ScriptedNode, eventually, kube_api::Mode};

use crate::{expect_traffic_seen, target};

#[test]
#[ignore = "needs root"]
fn root_an_api_server_that_is_away_changes_no_tap() {
    expect_no_harm(Mode::Down, Some("away"));
}

#[test]
#[ignore = "needs root"]
fn root_an_api_server_that_is_frozen_changes_no_tap() {
    // That nobody answers is known after a minute and a half.
    expect_no_harm(Mode::Frozen, None);
}

#[test]
#[ignore = "needs root"]
fn root_watches_that_expire_change_no_tap() {
    expect_no_harm(Mode::Expired, Some("connected"));
}

#[test]
#[ignore = "needs root"]
fn root_an_api_server_that_throttles_us_changes_no_tap() {
    // The client waits as long as it is told to, and tries again.
    expect_no_harm(Mode::Throttling, None);
}

#[test]
#[ignore = "needs root"]
fn root_rights_that_are_taken_away_change_no_tap() {
    expect_no_harm(Mode::Forbidding, Some("away"));
}

fn expect_no_harm(mode: Mode, said: Option<&str>) {
    let node = ScriptedNode::new();
    let [web, peer, old, new] = ["web", "peer", "old", "new"].map(|name| node.pod(name));
    node.api.put("pods", web.labelled());
    node.api.put("pods", old.labelled());
    node.api.put("pods", new.unlabelled());
    let agent = node.start(&mut node.agent());
    let before = node.wait_for_tapped(&[&web, &old]);
    node.wait_for_watches();
    expect_traffic_seen(&node, &web, &peer);

    let asked = node.api.count("GET /api/v1/pods");
    node.api.set_mode(mode);
    // It has met the trouble, and more than once if it was answered.
    let more = if mode == Mode::Frozen { 1 } else { 2 };
    eventually("the agent asks again", || {
        (node.api.count("GET /api/v1/pods") >= asked + more).then_some(())
    });
    if let Some(said) = said {
        eventually("the agent says how it is", || {
            (node.status().api == said).then_some(())
        });
    }
    expect_traffic_seen(&node, &web, &peer);
    // Nobody tells the agent of these, but where watches expire.
    node.api.put("pods", new.labelled());
    node.api.remove("pods", "old");
    expect_traffic_seen(&node, &web, &peer);

    node.api.set_mode(Mode::Serving);
    let after = node.wait_for_tapped(&[&web, &new]);
    assert_eq!(
        target(&after, &web).since_ns,
        target(&before, &web).since_ns
    );
    expect_traffic_seen(&node, &web, &peer);
    assert_eq!(events_of(&node, &web.uid), ["Tapped"]);
    let log = node.end_all(agent, &[&web, &peer, &old, &new]);
    let of_web = log.lines().filter(|line| line.contains("shop/web"));
    let of_web: Vec<_> = of_web.collect();
    // Once each, and the latter two when the agent ended.
    for (what, line) in ["tapped", "detached", "untapped"].iter().zip(&of_web) {
        assert!(line.contains(what), "{log}");
    }
    assert_eq!(of_web.len(), 3, "{log}");
}

/// Reasons of the Events that the agent put on a pod, in order.
pub(crate) fn events_of(node: &ScriptedNode, uid: &str) -> Vec<String> {
    let requests = node.api.requests().into_iter();
    requests
        .filter(|request| request.line.starts_with("POST /apis/events.k8s.io/"))
        .map(|request| serde_json::from_str::<Value>(&request.body).expect("an Event"))
        .filter(|event| event["regarding"]["uid"] == *uid)
        .map(|event| event["reason"].as_str().expect("a reason").to_owned())
        .collect()
}
