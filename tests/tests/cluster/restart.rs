//! The agent's container dies and comes back; its sensor's does not.

use std::time::Instant;

use anyhow::Result;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use xtask::{cluster::Cluster, process::wait_for};

use crate::{
    LIMIT, agent::Agent, kernel, namespace::Namespace, suricata::Suricata, traffic::Client,
};

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_killed_agent_comes_back_and_its_sensor_reads_on() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "killed")?;
    let node = &cluster.nodes()[0];
    let (agent, suricata) = (Agent::of(node), Suricata::of(node));
    let client = Client::on(node.machine());
    let web = namespace.web("web", &[("podtap.dev/tap", "true")])?;
    agent.tapped(&web)?;
    let path = |when: &str| format!("{when}-{}", namespace.name());
    client.get(&web, &path("before"))?;
    suricata.saw(&path("before"))?;
    let sensor = || {
        anyhow::Ok((
            suricata.process()?,
            suricata.sockets()?,
            suricata.tap()?.index,
        ))
    };
    let sensor_before = sensor()?;
    assert!(!sensor_before.1.is_empty(), "Suricata has no packet socket");

    let strangers = kernel::Strangers::now(&cluster);
    let steady = client.steadily(&web);
    let process = agent.process()?;
    let killed = Instant::now();
    kill(Pid::from_raw(process.0.try_into()?), Signal::SIGKILL)?;
    wait_for("a new agent", LIMIT, || {
        Ok((agent.process()? != process).then_some(()))
    })?;
    agent.tapped(&web)?;
    eprintln!("agent killed -> pod tapped again: {:?}", killed.elapsed());

    client.get(&web, &path("after"))?;
    suricata.saw(&path("after"))?;
    steady.finish()?;
    assert_eq!(
        sensor()?,
        sensor_before,
        "process, sockets or tap of the sensor changed"
    );
    assert_eq!(kernel::attached(&web)?, kernel::tapped_once());
    no_program_too_many(&cluster, &strangers)
}

/// Two for each target of all agents, and one for each agent's tap.
fn no_program_too_many(cluster: &Cluster, strangers: &kernel::Strangers) -> Result<()> {
    // The pods of other tests may be on their way out.
    wait_for("as many programs as there are targets", LIMIT, || {
        let mut targets = 0;
        for node in cluster.nodes() {
            targets += Agent::of(node).status()?.targets.len();
        }
        let nodes = cluster.nodes().len();
        let wanted = [
            ("podtap_drop", nodes),
            ("podtap_in", targets),
            ("podtap_out", targets),
        ];
        let loaded = strangers.without();
        let loaded: Vec<_> = loaded
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        anyhow::ensure!(loaded == wanted, "loaded are {loaded:?}, wanted {wanted:?}");
        Ok(Some(()))
    })
}
