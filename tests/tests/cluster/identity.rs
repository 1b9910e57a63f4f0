//! Which pod is which: what a pod says of itself, or makes of its processes,
//! changes nothing in whose traffic is tapped.

use anyhow::{Context as _, Result};
use serde_json::json;
use xtask::{
    cluster::{Cluster, proc::Process},
    process::wait_for,
};

use crate::{
    LIMIT,
    agent::{Agent, delivered},
    events, kernel,
    namespace::Namespace,
    traffic::Client,
};

const TAPPED: [(&str, &str); 1] = [("podtap.dev/tap", "true")];

/// A process may make network namespaces of its own, as a nested container
/// does: the pod's is the one that its first process lives in.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_process_in_a_network_namespace_of_its_own_does_not_hide_its_pods() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "nested")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let mut manifest = namespace.manifest("web", 0, &[]);
    let container = &mut manifest["spec"]["containers"][0];
    container["securityContext"] = json!({"capabilities": {"add": ["SYS_ADMIN"]}});
    container["command"] = json!([
        "sh",
        "-c",
        "httpd -p 80 -h /www; exec busybox unshare -n sleep 86400"
    ]);
    let pod = namespace.start(&manifest)?;
    let inside = |process: Process| process.namespace("net").context("it has ended");
    let pods_own = inside(pod.process("pause")?)?;
    wait_for("a namespace of the process's own", LIMIT, || {
        let its = inside(pod.process("sleep")?)?;
        Ok((its != pods_own).then_some(()))
    })?;
    assert_eq!(inside(pod.process("httpd")?)?, pods_own);

    namespace.label_pod(&pod, "podtap.dev/tap=true")?;
    agent.tapped(&pod)?;
    assert_eq!(agent.targets(&pod)?.len(), 1);
    assert_eq!(kernel::attached(&pod)?, kernel::tapped_once());
    Client::on(node.machine()).expect_page(&pod)?;
    wait_for("the pod's frames", LIMIT, || {
        Ok((delivered(agent.target(&pod)?.as_ref()) > 0).then_some(()))
    })?;
    assert_eq!(agent.refusal(&pod)?, None);
    Ok(())
}

/// `kubernetes.io/config.hash` names a static pod's processes. Anyone can
/// write it on a pod of theirs, and get another pod's traffic if it were
/// believed.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_pod_that_claims_to_be_another_is_tapped_as_itself() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "forged")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let other = namespace.web("other", &[])?;
    for (name, claim) in [
        ("by-uid", other.uid.clone()),
        // As the kubelet makes them for static pods.
        ("by-digits", other.uid.replace('-', "")),
    ] {
        let mut manifest = namespace.manifest(name, 0, &TAPPED);
        manifest["metadata"]["annotations"] = json!({"kubernetes.io/config.hash": claim});
        let forged = namespace.start(&manifest)?;
        agent.tapped(&forged)?;
        assert_eq!(kernel::attached(&forged)?, kernel::tapped_once());
        assert_eq!(kernel::attached(&other)?, kernel::UNTAPPED, "another's");
        Client::on(node.machine()).expect_page(&forged)?;
        wait_for("its own frames", LIMIT, || {
            Ok((delivered(agent.target(&forged)?.as_ref()) > 0).then_some(()))
        })?;
        // Told to the pod itself, where its owner looks.
        events::expect(&cluster, &forged, &["Tapped"])?;
    }
    assert_eq!(agent.target(&other)?, None);
    Ok(())
}
