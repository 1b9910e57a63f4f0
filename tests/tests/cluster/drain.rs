//! A node is drained, and taken into service again.

use anyhow::{Result, ensure};
use serde_json::json;
use xtask::{
    cluster::{Cluster, Node},
    process::wait_for,
};

use crate::{LIMIT, agent::Agent, events, namespace::Namespace, pod::Pod, suricata::Suricata};

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_drained_nodes_taps_go_with_its_pods_and_its_agent_stays() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "drained")?;
    let node = &cluster.nodes()[1];
    let agent = Agent::of(node);
    let mut deployment = namespace.deployment("web", 3, &[("podtap.dev/tap", "true")]);
    deployment["spec"]["template"]["spec"]["nodeSelector"] =
        json!({"kubernetes.io/hostname": node.name()});
    let pods = namespace.roll_out(&deployment)?;
    for pod in &pods {
        agent.tapped(pod)?;
    }
    let process = agent.process()?;
    let sensor = Suricata::of(node).process()?;

    let drained = Drained::new(&cluster, node)?;
    for pod in &pods {
        agent.untapped(pod)?;
        events::expect(&cluster, pod, &["Tapped", "Untapped"])?;
    }
    assert_eq!(taps(&agent, &namespace)?, Vec::<String>::new());
    assert_eq!(agent.process()?, process, "the agent was restarted");
    assert_eq!(Suricata::of(node).process()?, sensor, "so was its sensor");
    drop(drained);

    // The node takes pods again, and the agent taps them.
    let pods = namespace.rolled_out("web")?;
    wait_for("the taps of the pods that came back", LIMIT, || {
        let mut are = taps(&agent, &namespace)?;
        let mut wanted: Vec<_> = pods.iter().map(|pod: &Pod| pod.uid.clone()).collect();
        are.sort_unstable();
        wanted.sort_unstable();
        ensure!(are == wanted, "tapped are {are:?}, wanted {wanted:?}");
        Ok(Some(()))
    })
}

/// The UIDs of the namespace's tapped pods. None of them may be refused.
fn taps(agent: &Agent<'_>, namespace: &Namespace<'_>) -> Result<Vec<String>> {
    let status = agent.status()?;
    let refused = &status.refused;
    ensure!(
        !refused.iter().any(|pod| pod.namespace == namespace.name()),
        "refused: {refused:?}"
    );
    let targets = status.targets.into_iter();
    let ours = targets.filter(|target| target.namespace == namespace.name());
    Ok(ours.map(|target| target.uid).collect())
}

/// A node without the test's pods; it takes pods again when this goes.
struct Drained<'a> {
    cluster: &'a Cluster,
    node: &'a Node,
}

impl<'a> Drained<'a> {
    fn new(cluster: &'a Cluster, node: &'a Node) -> Result<Self> {
        let this = Self { cluster, node };
        // The demo's pods have no controller that would bring them back: of
        // the others, those of this test and podtap's own.
        let pods = "--pod-selector=app in (web)";
        let own = "--pod-selector=app.kubernetes.io/name=podtap";
        for selector in [own, pods] {
            let drain = ["drain", &node.name(), "--ignore-daemonsets", selector];
            cluster.kubectl(&[&drain[..], &["--timeout=60s"]].concat())?;
        }
        Ok(this)
    }
}

impl Drop for Drained<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.cluster.kubectl(&["uncordon", &self.node.name()]) {
            eprintln!("{} stays cordoned: {error:#}", self.node.name());
        }
    }
}
