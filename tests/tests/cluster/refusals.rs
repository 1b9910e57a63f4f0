//! Pods that are not tapped, and how their owners learn why.

use anyhow::Result;
use serde_json::json;
use xtask::{cluster::Cluster, process::wait_for};

use crate::{LIMIT, agent::Agent, events, kernel, namespace::Namespace, pod::Pod};

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_pod_on_the_nodes_network_is_refused() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "host-network")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    let mut manifest = namespace.manifest("web", 0, &[("podtap.dev/tap", "true")]);
    manifest["spec"]["hostNetwork"] = json!(true);
    manifest["spec"]["containers"][0]["command"] = json!(["sleep", "86400"]);
    let pod = namespace.start(&manifest)?;

    let refused = agent.refused(&pod)?;
    assert_eq!(refused.reason, "HostNetwork");
    assert_eq!(agent.target(&pod)?, None);
    let told = &events::expect(&cluster, &pod, &["Refused"])?[0].note;
    assert!(
        told.contains("HostNetwork") && told.contains("tap the whole node"),
        "{told}"
    );
    // Nothing of podtap's is on the node's own interfaces: the pod's eth0 is
    // the node's.
    assert_eq!(kernel::attached(&pod)?, kernel::UNTAPPED);

    namespace.label_pod(&pod, "podtap.dev/tap-")?;
    no_longer_refused(&agent, &pod)
}

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_an_unknown_label_is_refused_until_it_is_corrected() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "unknown-label")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    let pod = namespace.web("web", &[("podtap.dev/tap", "yes")])?;

    let refused = agent.refused(&pod)?;
    assert_eq!(refused.reason, "UnknownPodLabel");
    assert_eq!(agent.target(&pod)?, None);
    let told = &events::expect(&cluster, &pod, &["Refused"])?[0].note;
    assert!(
        told.contains(r#"is "yes": set it to "true" or "false""#),
        "{told}"
    );

    namespace.label_pod(&pod, "podtap.dev/tap=true")?;
    agent.tapped(&pod)?;
    assert_eq!(agent.refusal(&pod)?, None);
    events::expect(&cluster, &pod, &["Refused", "Tapped"])?;
    Ok(())
}

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_an_unknown_label_of_a_namespace_is_refused_until_it_is_corrected() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "unknown-default")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    namespace.label("podtap.dev/tap=on")?;
    let pod = namespace.web("web", &[])?;

    assert_eq!(agent.refused(&pod)?.reason, "UnknownNamespaceLabel");
    let told = &events::expect(&cluster, &pod, &["Refused"])?[0].note;
    assert!(
        told.contains(namespace.name()) && told.contains(r#""enforced""#),
        "{told}"
    );

    namespace.label("podtap.dev/tap=true")?;
    agent.tapped(&pod)?;
    Ok(())
}

/// What a tap of the agent's pod would mirror is the mirrored traffic.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_podtaps_own_pods_are_refused() -> Result<()> {
    let cluster = Cluster::attach()?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let selector = format!("spec.nodeName={}", node.name());
    let arguments = ["get", "pods", "-n", "podtap", "--field-selector", &selector];
    let own = Pod::from_json(&cluster.kubectl_json(&arguments)?["items"][0])?;
    let label = |label: &str| {
        cluster.kubectl(&[
            "label",
            "pod",
            &own.name,
            "-n",
            "podtap",
            label,
            "--overwrite",
        ])
    };
    label("podtap.dev/tap=true")?;
    let refused = agent.refused(&own);
    let attached = kernel::attached(&own);
    let events = events::of(&cluster, &own);
    label("podtap.dev/tap-")?;
    no_longer_refused(&agent, &own)?;
    assert_eq!(refused?.reason, "OwnPod");
    assert_eq!(attached?, kernel::UNTAPPED);
    let told = events?;
    assert!(
        told.iter().all(|event| event.reason == "Refused"),
        "{told:?}"
    );
    Ok(())
}

fn no_longer_refused(agent: &Agent<'_>, pod: &Pod) -> Result<()> {
    wait_for(&format!("{} to be forgotten", pod.name), LIMIT, || {
        Ok(agent.refusal(pod)?.is_none().then_some(()))
    })
}
