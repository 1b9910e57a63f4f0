//! Pods come and go, and the agent stays: hundreds here, thousands with
//! `PODTAP_BIRTHS=10000`.
//!
//! If this fails, an agent that runs for months runs out of descriptors or
//! memory, or keeps the namespaces of dead pods alive.

use std::time::Instant;

use tests::{
    Footprint, ScriptedNode, ScriptedPod, TestBpffs, anonymous_bytes, eventually_equal,
    scripted_node::NodeAgent,
};

/// How many pods are born, unless `PODTAP_BIRTHS` says otherwise.
const BIRTHS: usize = 240;
/// How many live at once.
const TOGETHER: usize = 12;
/// Before the baseline: what is made once and kept.
const WARM_UP: usize = 60;
/// By how much the agent's own memory may grow, however many pods there were:
/// what an allocator keeps of what was freed. A forgotten kilobyte a pod shows
/// in 10,000 births.
const GROWTH_BYTES: u64 = 8 << 20;

#[test]
#[ignore = "needs root"]
fn root_pods_that_come_and_go_leave_nothing_in_the_agent() {
    let births = std::env::var("PODTAP_BIRTHS").map_or(BIRTHS, |births| {
        births.parse().expect("PODTAP_BIRTHS is a number")
    });
    let (node, bpffs) = (ScriptedNode::new(), TestBpffs::new());
    let agent = node.start(&mut node.agent_on(&bpffs));
    node.wait_for_watches();
    generations(&node, WARM_UP);
    let pid = agent.running.id();
    let before = settled(&node, &agent, &bpffs, None);
    let before_bytes = anonymous_bytes(pid);

    let started = Instant::now();
    generations(&node, births);
    let after = settled(&node, &agent, &bpffs, Some(before));
    let after_bytes = anonymous_bytes(pid);
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{births} births in {seconds:.0} s: {after:?}; own memory {} -> {} KiB",
        before_bytes >> 10,
        after_bytes >> 10
    );
    assert!(
        after_bytes <= before_bytes + GROWTH_BYTES,
        "{before_bytes} bytes before, {after_bytes} after {births} births"
    );
    node.end_all(agent, &[]);
}

/// What there is when no pod is tapped: the agent's footprint, the pins of
/// targets, and the interfaces of the node, which are those of pods whose
/// namespaces live on.
fn settled(
    node: &ScriptedNode,
    agent: &NodeAgent,
    bpffs: &TestBpffs,
    expected: Option<Footprint>,
) -> Footprint {
    let footprint = || Footprint::of(agent.running.id());
    // The bridge, `lo` and the tap; the kernel frees a namespace some time
    // after its last user.
    eventually_equal("pins and interfaces, and none of a pod", || {
        let interfaces = node.netns.links().len();
        ((node.pinned(bpffs).len(), interfaces), (0, 3))
    });
    if let Some(expected) = expected {
        eventually_equal("what the agent holds, and what it held", || {
            (footprint(), expected)
        });
    }
    footprint()
}

/// Pods are born, tapped and gone, some at a time.
fn generations(node: &ScriptedNode, births: usize) {
    let mut born = 0;
    while born < births {
        let count = TOGETHER.min(births - born);
        let pods: Vec<_> = (0..count)
            .map(|number| node.pod(&format!("pod-{}", born + number)))
            .collect();
        born += count;
        for pod in &pods {
            node.api.put("pods", pod.labelled());
        }
        let all: Vec<_> = pods.iter().collect();
        node.wait_for_tapped(&all);
        for (number, pod) in pods.into_iter().enumerate() {
            end(node, pod, number);
        }
        node.wait_for_tapped(&[]);
    }
}

/// In one of the ways in which a pod ends.
fn end(node: &ScriptedNode, pod: ScriptedPod, number: usize) {
    let name = pod.name.clone();
    match number % 3 {
        // In order: the API server says so last.
        0 => drop(pod),
        // Without having been asked: the API server knew first.
        1 => {
            node.api.remove("pods", &name);
            return;
        }
        // It is not tapped any more, and goes later.
        _ => node.api.put("pods", pod.unlabelled()),
    }
    node.api.remove("pods", &name);
}
