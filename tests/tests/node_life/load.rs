//! What the agent asks of the API server.

use tests::{ScriptedNode, ScriptedPod};

/// Changes of labels and of pods.
const CHANGES: usize = 40;

#[test]
#[ignore = "needs root"]
fn root_however_much_happens_each_kind_is_listed_and_watched_once() {
    let node = ScriptedNode::new();
    let agent = node.start(&mut node.agent());
    node.wait_for_watches();
    let mut standing: Option<ScriptedPod> = None;
    for change in 0..CHANGES {
        if let Some(before) = standing.take() {
            node.api.put("pods", before.unlabelled());
            node.api.remove("pods", &before.name);
        }
        let pod = node.pod(&format!("pod-{change}"));
        node.api.put("pods", pod.labelled());
        node.wait_for_tapped(&[&pod]);
        standing = Some(pod);
    }
    let lines = node.api.requests().into_iter().map(|request| request.line);
    // Events are what it tells, not what it asks.
    let mut asked: Vec<_> = lines
        .filter(|line| !line.starts_with("POST /apis/events.k8s.io/"))
        .map(|line| {
            let path = line.split('?').next().expect("a path").to_owned();
            let is_watch = line.contains("watch=true");
            if is_watch { path + " watch" } else { path }
        })
        .collect();
    asked.sort_unstable();
    let expected = [
        "GET /api/v1/namespaces",
        "GET /api/v1/namespaces watch",
        "GET /api/v1/pods",
        "GET /api/v1/pods watch",
        "GET /version",
    ];
    assert_eq!(asked, expected);
    let last = standing.expect("the last pod");
    node.end_all(agent, &[&last]);
}
