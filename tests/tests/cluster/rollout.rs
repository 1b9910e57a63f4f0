//! A Deployment is rolled out anew: many pods come while as many go.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use xtask::{cluster::Cluster, process::wait_for};

use crate::{
    LIMIT,
    agent::{Agent, delivered},
    events, kernel,
    namespace::Namespace,
    pod::Pod,
    programs,
    traffic::Client,
};

const TAPPED: [(&str, &str); 1] = [("podtap.dev/tap", "true")];

const REPLICAS: usize = 20;

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_rolled_out_deployment_is_tapped_pod_by_pod_and_others_notice_nothing() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "rollout")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    let standing = namespace.web("standing", &TAPPED)?;
    let before = agent.tapped(&standing)?;
    let old = namespace.roll_out(&namespace.deployment("web", REPLICAS, &TAPPED))?;
    expect_taps(&cluster, &namespace, &old, &standing)?;

    let strangers = kernel::Strangers::now(&cluster);
    let steady = Client::on(cluster.nodes()[0].machine()).steadily(&standing);
    cluster.kubectl(&[
        "rollout",
        "restart",
        "-n",
        namespace.name(),
        "deployment/web",
    ])?;
    let new = namespace.rolled_out("web")?;
    let is_new = |pod: &Pod| old.iter().all(|old| old.uid != pod.uid);
    assert!(new.iter().all(is_new), "an old pod is left: {new:?}");
    expect_taps(&cluster, &namespace, &new, &standing)?;
    programs::none_too_many(&cluster, &strangers)?;

    let meanwhile = delivered(agent.target(&standing)?.as_ref());
    wait_for("frames of the pod that stands", LIMIT, || {
        Ok((delivered(agent.target(&standing)?.as_ref()) > meanwhile).then_some(()))
    })?;
    steady
        .finish()
        .context("the standing pod did not serve on")?;
    let after = agent.tapped(&standing)?;
    assert_eq!(after.since_ns, before.since_ns, "let go for a while");
    for ledger in [&after.received, &after.sent] {
        let lost = ["ring_full", "agent_away", "too_large", "unreadable"];
        let lost = lost.map(|verdict| ledger.verdicts.get(verdict).map(|count| count.packets));
        assert_eq!(lost, [Some(0); 4], "{after:?}");
    }
    for pod in old.iter().chain(&new) {
        let told = events::of(&cluster, pod)?;
        let is_refusal = |event: &events::Event| event.reason == "Refused";
        assert!(!told.iter().any(is_refusal), "{}: {told:?}", pod.name);
    }
    Ok(())
}

/// Waits until just these pods of the namespace are tapped, each by the agent
/// of its node, and none is refused.
fn expect_taps(
    cluster: &Cluster,
    namespace: &Namespace<'_>,
    pods: &[Pod],
    standing: &Pod,
) -> Result<()> {
    assert_eq!(pods.len(), REPLICAS, "{pods:?}");
    for node in cluster.nodes() {
        let is_here = |pod: &&Pod| pod.node == node.name();
        let wanted: BTreeSet<_> = pods
            .iter()
            .chain([standing])
            .filter(is_here)
            .map(|pod| pod.uid.clone())
            .collect();
        assert!(!wanted.is_empty(), "{} has no pod", node.name());
        wait_for(&format!("the taps on {}", node.name()), LIMIT, || {
            let status = Agent::of(node).status()?;
            let of_namespace = |name: &str| name == namespace.name();
            let taps = status
                .targets
                .iter()
                .filter(|target| of_namespace(&target.namespace));
            let are: Vec<_> = taps.map(|target| target.uid.clone()).collect();
            let refused: Vec<_> = status
                .refused
                .iter()
                .filter(|refused| of_namespace(&refused.namespace))
                .collect();
            ensure!(refused.is_empty(), "refused: {refused:?}");
            // A list, so that a pod with two taps shows.
            ensure!(
                are.len() == wanted.len() && are.iter().all(|uid| wanted.contains(uid)),
                "{} taps are there, wanted {}",
                are.len(),
                wanted.len()
            );
            Ok(Some(()))
        })?;
    }
    Ok(())
}
