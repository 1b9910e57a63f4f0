//! podtap's rights in the API are taken away while it runs.

use anyhow::{Context as _, Result, ensure};
use xtask::{cluster::Cluster, process::wait_for};

use crate::{
    LIMIT,
    agent::{Agent, delivered},
    events,
    namespace::Namespace,
    traffic::Client,
};

/// What the agent is let watch by.
const BINDING: &str = "clusterrolebinding/podtap-agent";

const TAPPED: [(&str, &str); 1] = [("podtap.dev/tap", "true")];

/// A watch that stands is not asked for its rights again; the next one is. An
/// API server that restarts breaks it off; without, it ends by itself within
/// five minutes (the watcher's `timeoutSeconds` of 290).
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_rights_that_are_taken_away_are_said_and_taps_go_on() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "forbidden")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let standing = namespace.web("standing", &TAPPED)?;
    let going = namespace.web("going", &TAPPED)?;
    let coming = namespace.web("coming", &[])?;
    let before = agent.tapped(&standing)?;
    agent.tapped(&going)?;
    let process = agent.process()?;
    let log_before = agent.log(&cluster)?;
    let log = || {
        let log = agent.log(&cluster)?;
        let since = log.strip_prefix(&log_before);
        anyhow::Ok(since.context("the agent was restarted")?.to_owned())
    };

    let taken = Taken::away(&cluster)?;
    cluster.kill_api_server()?.end()?;
    let said = wait_for("the agent to say what it may not", LIMIT, || {
        let log = log()?;
        let refusals = ["pods is forbidden", "namespaces is forbidden"];
        let is_said = refusals.iter().all(|refusal| log.contains(refusal));
        ensure!(is_said, "it says:\n{log}");
        Ok(Some(log))
    })?;
    assert!(said.contains("WARN"), "{said}");
    assert!(
        said.contains("system:serviceaccount:podtap:podtap"),
        "{said}"
    );
    assert_eq!(agent.status()?.api, "away");

    // Nothing can be learned meanwhile, and what stands goes on.
    namespace.label_pod(&coming, "podtap.dev/tap=true")?;
    namespace.label_pod(&going, "podtap.dev/tap-")?;
    let count = delivered(agent.target(&standing)?.as_ref());
    Client::on(node.machine()).expect_page(&standing)?;
    wait_for("frames of the pod that stands", LIMIT, || {
        Ok((delivered(agent.target(&standing)?.as_ref()) > count).then_some(()))
    })?;
    assert_eq!(agent.target(&coming)?, None);
    ensure!(agent.target(&going)?.is_some(), "the tap of a pod is gone");

    drop(taken);
    agent.tapped(&coming)?;
    agent.untapped(&going)?;
    wait_for("the agent to say that it is connected", LIMIT, || {
        Ok((agent.status()?.api == "connected").then_some(()))
    })?;
    let after = agent.tapped(&standing)?;
    assert_eq!(after.since_ns, before.since_ns, "let go for a while");
    assert_eq!(agent.process()?, process, "the agent was restarted");
    for (pod, reasons) in [
        (&standing, &["Tapped"][..]),
        (&coming, &["Tapped"]),
        (&going, &["Tapped", "Untapped"]),
    ] {
        events::expect(&cluster, pod, reasons)?;
    }
    Ok(())
}

/// The agents' rights are away as long as this lives.
struct Taken<'a> {
    cluster: &'a Cluster,
    binding: String,
}

impl<'a> Taken<'a> {
    fn away(cluster: &'a Cluster) -> Result<Self> {
        let binding = cluster.kubectl(&["get", BINDING, "-o", "json"])?;
        let this = Self { cluster, binding };
        cluster.kubectl(&["delete", BINDING])?;
        Ok(this)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // It is a new object: neither UID nor version may be named.
        let given = serde_json::from_str::<serde_json::Value>(&self.binding).map(|mut binding| {
            for field in ["uid", "resourceVersion", "creationTimestamp"] {
                if let Some(metadata) = binding["metadata"].as_object_mut() {
                    metadata.remove(field);
                }
            }
            binding.to_string()
        });
        let given = given
            .map_err(Into::into)
            .and_then(|binding| self.cluster.apply(&binding));
        if let Err(error) = given {
            eprintln!("{BINDING} stays away: {error:#}");
        }
    }
}
