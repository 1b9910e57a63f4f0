//! What the agents ask of the API server, by its own audit log.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::cluster::Cluster;

use crate::{agent::Agent, events, namespace::Namespace};

const ACCOUNT: &str = "system:serviceaccount:podtap:podtap";

/// How often a label comes and goes: not so often that the Events of one pod
/// are held back.
const FLIPS: usize = 10;

/// A watch each for pods and namespaces, which ends within five minutes and is
/// opened anew, and an Event for each that is told: nothing is asked again and
/// again, whatever happens on the node.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_labels_cost_the_api_server_an_event_each_and_no_question() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "load")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    let web = namespace.web("web", &[])?;
    let end = fs::metadata(cluster.layout().audit_log())?.len();

    let mut told = Vec::new();
    for _ in 0..FLIPS {
        namespace.label_pod(&web, "podtap.dev/tap=true")?;
        agent.tapped(&web)?;
        namespace.label_pod(&web, "podtap.dev/tap-")?;
        agent.untapped(&web)?;
        told.extend(["Tapped", "Untapped"]);
    }
    events::expect(&cluster, &web, &told)?;

    let asked = asked(&cluster, end)?;
    eprintln!("asked in {FLIPS} flips: {asked:?}");
    let mut expected_events = 0;
    for ((verb, what), times) in &asked {
        match (verb.as_str(), what.as_str()) {
            // Each of two agents may have had to open each of its two anew.
            ("watch", "pods" | "namespaces") => {
                assert!(*times <= cluster.nodes().len(), "{asked:?}");
            }
            ("create", "events") => expected_events += times,
            _ => panic!("{verb} {what} is asked: {asked:?}"),
        }
    }
    // Other tests' namespaces may still be on their way out.
    assert!(expected_events >= told.len(), "{asked:?}");
    Ok(())
}

/// Every watch of pods that was ever opened is of one node's.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_an_agent_watches_its_own_nodes_pods_alone() -> Result<()> {
    let cluster = Cluster::attach()?;
    let mut watched = 0;
    for event in requests(&cluster, 0)? {
        let target = event["requestURI"].as_str().context("no target")?;
        if event["objectRef"]["resource"] == "pods" {
            assert!(
                target.contains("fieldSelector=spec.nodeName%3Dnode"),
                "{target}"
            );
            watched += 1;
        }
    }
    assert!(watched > 0, "nobody watches");
    Ok(())
}

/// How often each verb was asked of each resource.
fn asked(cluster: &Cluster, from_byte: u64) -> Result<BTreeMap<(String, String), usize>> {
    let mut asked = BTreeMap::new();
    for event in requests(cluster, from_byte)? {
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let what = (text(&event["verb"]), text(&event["objectRef"]["resource"]));
        *asked.entry(what).or_default() += 1;
    }
    Ok(asked)
}

/// The agents' requests in the audit log from there on. A watch counts where
/// it begins.
fn requests(cluster: &Cluster, from_byte: u64) -> Result<Vec<Value>> {
    let mut file = File::open(cluster.layout().audit_log())?;
    file.seek(SeekFrom::Start(from_byte))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    // The last line may be half written.
    let events = text
        .lines()
        .filter(|line| line.contains(ACCOUNT))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let begins = |event: &Value| match event["verb"].as_str() {
        Some("watch") => event["stage"] == "ResponseStarted",
        _ => event["stage"] == "ResponseComplete",
    };
    let ours = events.filter(|event| event["user"]["username"] == ACCOUNT);
    Ok(ours.filter(begins).collect())
}
