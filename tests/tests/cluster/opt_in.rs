//! Who is tapped: the label on a pod, on its namespace, and who wins.

use anyhow::Result;
use xtask::cluster::Cluster;

use crate::{
    agent::Agent, events, kernel, namespace::Namespace, suricata::Suricata, traffic::Client,
};

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_namespace_opts_its_pods_in_and_a_pod_opts_out() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "opt-in")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    let plain = namespace.web("plain", &[])?;
    let unwilling = namespace.web("unwilling", &[("podtap.dev/tap", "false")])?;

    namespace.label("podtap.dev/tap=true")?;
    agent.tapped(&plain)?;
    assert_eq!(kernel::attached(&plain)?, kernel::tapped_once());
    // The plan of that change was for both pods: what was to be done is done.
    assert_eq!(agent.target(&unwilling)?, None, "it said no");
    assert_eq!(kernel::attached(&unwilling)?, kernel::UNTAPPED);
    events::expect(&cluster, &plain, &["Tapped"])?;
    events::expect(&cluster, &unwilling, &[])?;

    // Its word counts while it stands, and as soon as it changes.
    namespace.label_pod(&unwilling, "podtap.dev/tap-")?;
    agent.tapped(&unwilling)?;

    namespace.label("podtap.dev/tap-")?;
    agent.untapped(&plain)?;
    agent.untapped(&unwilling)?;
    assert_eq!(kernel::attached(&plain)?, kernel::UNTAPPED);
    events::expect(&cluster, &plain, &["Tapped", "Untapped"])?;
    Ok(())
}

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_pod_cannot_lower_an_enforced_tap() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "enforced")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    namespace.label("podtap.dev/tap=enforced")?;
    let born_unwilling = namespace.web("born-unwilling", &[("podtap.dev/tap", "false")])?;
    let web = namespace.web("web", &[])?;
    agent.tapped(&born_unwilling)?;
    let before = agent.tapped(&web)?;

    for value in ["false", "nonsense"] {
        namespace.label_pod(&web, &format!("podtap.dev/tap={value}"))?;
        // A later pod is tapped: so the agent has heard of that label.
        let later = namespace.web(&format!("later-{value}"), &[])?;
        agent.tapped(&later)?;
        let after = agent.tapped(&web)?;
        assert_eq!(
            after.since_ns, before.since_ns,
            "{value}: it was let go for a while"
        );
    }
    assert_eq!(agent.refusal(&web)?, None);
    events::expect(&cluster, &web, &["Tapped"])?;

    // Not by the status alone: its traffic is on the tap.
    let path = format!("enforced-{}", namespace.name());
    Client::on(node.machine()).get(&web, &path)?;
    Suricata::of(node).saw(&path)?;
    Ok(())
}
