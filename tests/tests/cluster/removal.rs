//! podtap is taken away, and leaves nothing.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context as _, Result};
use xtask::{build::workspace, cluster::Cluster};

use crate::{LIMIT, agent::Agent, kernel, namespace::Namespace, traffic::Client};

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_an_uninstalled_podtap_leaves_no_program_and_pods_serve_on() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "uninstalled")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let web = namespace.web("web", &[("podtap.dev/tap", "true")])?;
    agent.tapped(&web)?;
    let steady = Client::on(node.machine()).steadily(&web);

    let strangers = kernel::Strangers::now(&cluster);
    let overlay = overlay();
    let started = Instant::now();
    let deleted = cluster.delete_kustomize(&overlay);
    let took = started.elapsed();
    let loaded = strangers.without();
    let attached = kernel::attached(&web);
    // The other tests need it.
    cluster.apply_kustomize(&overlay)?;
    cluster.wait_for_pods("podtap", "app.kubernetes.io/name=podtap", LIMIT)?;
    deleted?;
    eprintln!("kubectl delete -k: {took:?}");
    assert_eq!(
        loaded.into_iter().collect::<Vec<_>>(),
        [],
        "left in the kernel"
    );
    assert_eq!(attached?, kernel::UNTAPPED);

    // It finds what was asked for before it was there.
    agent.tapped(&web)?;
    steady.finish().context("the web pod did not serve on")
}

fn overlay() -> PathBuf {
    workspace().join("manifests/overlays/suricata")
}
