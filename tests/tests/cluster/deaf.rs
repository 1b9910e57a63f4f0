//! Nobody listens on the tap: podtap works on, and all of it is for nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use xtask::{cluster::Cluster, process::wait_for};

use crate::{LIMIT, agent::Agent, events, namespace::Namespace, pod::Pod, suricata::Suricata};

/// It is told after a minute.
const TOLD: Duration = Duration::from_secs(150);

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_tap_that_nobody_reads_is_told_and_so_is_its_reader_when_it_is_back() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "deaf")?;
    let node = &cluster.nodes()[0];
    let (agent, suricata) = (Agent::of(node), Suricata::of(node));
    let web = namespace.web("web", &[("podtap.dev/tap", "true")])?;
    let before = agent.tapped(&web)?;
    let process = agent.process()?;
    let name = agent.pod(&cluster)?;
    let own = ["get", "pod", &name, "-n", "podtap"];
    let own = Pod::from_json(&cluster.kubectl_json(&own)?)?;
    let told_before = events::of(&cluster, &own)?.len();
    // An earlier one is none of this.
    let told = || {
        let events = events::of(&cluster, &own)?;
        let new = events.into_iter().skip(told_before);
        anyhow::Ok(new.collect::<Vec<_>>())
    };
    let readers = || anyhow::Ok(agent.status()?.tap_readers);
    ensure!(readers()?.is_some_and(|count| count > 0), "already deaf");

    let away = suricata.take_away(&cluster, name.clone())?;
    wait_for("the status to say that nobody listens", LIMIT, || {
        Ok((readers()? == Some(0)).then_some(()))
    })?;
    let event = wait_for("the Event that says so", TOLD, || {
        Ok(told()?.into_iter().next())
    })?;
    assert_eq!(event.reason, "TapUnread");
    assert!(event.note.contains("podtap0"), "{event:?}");

    drop(away);
    wait_for("Suricata's packet sockets", LIMIT, || {
        Ok((suricata.process().is_ok() && readers()? > Some(0)).then_some(()))
    })?;
    wait_for("the Event that says so", LIMIT, || {
        let told = told()?;
        let reasons: Vec<_> = told.iter().map(|event| event.reason.as_str()).collect();
        ensure!(reasons == ["TapUnread", "TapRead"], "{told:?}");
        Ok(Some(()))
    })?;
    assert_eq!(agent.tapped(&web)?.since_ns, before.since_ns);
    assert_eq!(agent.process()?, process, "the agent was restarted");
    cluster.wait_for_pods("podtap", "app.kubernetes.io/name=podtap", LIMIT)
}
