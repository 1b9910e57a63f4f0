//! The API server is away: the taps that stand are no business of its.

use anyhow::{Context as _, Result};
use xtask::{
    cluster::{Cluster, Outage},
    process::wait_for,
};

use crate::{
    LIMIT,
    agent::{Agent, delivered},
    events,
    namespace::Namespace,
    pod::Pod,
    suricata::Suricata,
    traffic::Client,
};

/// Frames that have to pass during an outage: with the requests of
/// [`Client::steadily`] some ten seconds' worth.
const FRAMES: u64 = 5000;

/// Its death: connections break, and are refused. The agent says `away`, and
/// once only; what was asked for right after the return is done.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_dead_api_server_changes_nothing_and_what_comes_after_is_caught_up() -> Result<()> {
    let cluster = Cluster::attach()?;
    let stage = Stage::new(&cluster, "away")?;
    let agent = &stage.agent;
    let log_before = stage.agent.log(&cluster)?;

    let outage = cluster.kill_api_server()?;
    wait_for(
        "the agent to say that the API server is away",
        LIMIT,
        || Ok((agent.status()?.api == "away").then_some(())),
    )?;
    stage.expect_tap_to_go_on()?;
    assert_eq!(agent.status()?.api, "away");

    stage.expect_catching_up(outage)?;
    wait_for("the agent to say that it is connected", LIMIT, || {
        Ok((agent.status()?.api == "connected").then_some(()))
    })?;
    let log = stage.agent.log(&cluster)?;
    let log = log
        .strip_prefix(&log_before)
        .context("the agent was restarted")?;
    for line in ["Kubernetes API is away", "Kubernetes API is back"] {
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
    stage.expect_no_flapping(log)
}

/// Its standstill: connections stay open and nobody answers.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_frozen_api_server_changes_nothing_and_what_comes_after_is_caught_up() -> Result<()> {
    let cluster = Cluster::attach()?;
    let stage = Stage::new(&cluster, "frozen")?;
    let log_before = stage.agent.log(&cluster)?;

    let outage = cluster.freeze_api_server()?;
    stage.expect_tap_to_go_on()?;
    stage.expect_catching_up(outage)?;
    let log = stage.agent.log(&cluster)?;
    let log = log
        .strip_prefix(&log_before)
        .context("the agent was restarted")?;
    stage.expect_no_flapping(log)
}

/// A pod that stands tapped, and one whose owner asks for it and one who no
/// longer does, right after the outage.
struct Stage<'a> {
    cluster: &'a Cluster,
    namespace: Namespace<'a>,
    agent: Agent<'a>,
    client: Client,
    standing: Pod,
    coming: Pod,
    going: Pod,
    since_ns: u64,
}

impl<'a> Stage<'a> {
    fn new(cluster: &'a Cluster, purpose: &str) -> Result<Self> {
        let namespace = Namespace::new(cluster, purpose)?;
        let node = &cluster.nodes()[0];
        let agent = Agent::of(node);
        let tapped = [("podtap.dev/tap", "true")];
        let standing = namespace.web("standing", &tapped)?;
        let coming = namespace.web("coming", &[])?;
        let going = namespace.web("going", &tapped)?;
        let since_ns = agent.tapped(&standing)?.since_ns;
        agent.tapped(&going)?;
        let client = Client::on(cluster.nodes()[1].machine());
        Ok(Self {
            cluster,
            namespace,
            agent,
            client,
            standing,
            coming,
            going,
            since_ns,
        })
    }

    /// Traffic goes on, and with it the tap, all the way to Suricata.
    fn expect_tap_to_go_on(&self) -> Result<()> {
        let count = || anyhow::Ok(delivered(self.agent.target(&self.standing)?.as_ref()));
        let before = count()?;
        let steady = self.client.steadily(&self.standing);
        wait_for("the frames of an outage", LIMIT, || {
            Ok((count()? >= before + FRAMES).then_some(()))
        })?;
        steady.finish()?;
        let path = format!("outage-{}", self.namespace.name());
        self.client.get(&self.standing, &path)?;
        Suricata::of(&self.cluster.nodes()[0]).saw(&path)?;
        Ok(())
    }

    fn expect_catching_up(&self, outage: Outage<'_>) -> Result<()> {
        outage.end()?;
        self.namespace
            .label_pod(&self.coming, "podtap.dev/tap=true")?;
        self.namespace.label_pod(&self.going, "podtap.dev/tap-")?;
        self.agent.tapped(&self.coming)?;
        self.agent.untapped(&self.going)
    }

    fn expect_no_flapping(&self, log: &str) -> Result<()> {
        let name = format!("{}/{}", self.standing.namespace, self.standing.name);
        assert!(
            !log.contains(&name),
            "said of a pod of which nothing changed:\n{log}"
        );
        let target = self
            .agent
            .target(&self.standing)?
            .context("the tap is gone")?;
        assert_eq!(
            target.since_ns, self.since_ns,
            "the tap was let go for a while"
        );
        for (pod, reasons) in [
            (&self.standing, &["Tapped"][..]),
            (&self.coming, &["Tapped"]),
            (&self.going, &["Tapped", "Untapped"]),
        ] {
            events::expect(self.cluster, pod, reasons)?;
        }
        Ok(())
    }
}
