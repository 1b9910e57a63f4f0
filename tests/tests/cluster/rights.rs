//! How little podtap may do, and how much less its sensor.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use xtask::cluster::{Cluster, proc::Process};

use crate::{agent::Agent, rules, suricata::Suricata};

/// Bits of the capability sets in /proc/PID/status (linux/capability.h).
const AGENT: [u8; 5] = [12, 19, 21, 38, 39]; // NET_ADMIN SYS_PTRACE SYS_ADMIN PERFMON BPF
const SENSOR: [u8; 1] = [13]; // NET_RAW

/// A sensor parses whatever anyone sends: taking it over must open neither
/// other pods' files nor the API.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_the_sensor_sees_neither_the_api_token_nor_the_nodes_processes() -> Result<()> {
    let cluster = Cluster::attach()?;
    let node = &cluster.nodes()[0];
    let (agent, sensor) = (Agent::of(node).process()?, Suricata::of(node).process()?);
    let file =
        |process: Process, path: &str| Path::new("/proc").join(process.0.to_string()).join(path);

    let token = "root/var/run/secrets/kubernetes.io/serviceaccount/token";
    assert!(
        file(agent, token).exists(),
        "the agent's own token is elsewhere"
    );
    assert!(
        file(agent, "root/host/proc/1/ns").exists(),
        "the node's /proc is elsewhere"
    );
    for path in [
        "root/var/run/secrets",
        "root/run/secrets",
        "root/host",
        "root/dev/net/tun",
    ] {
        assert!(!file(sensor, path).exists(), "the sensor has {path}");
    }
    assert!(
        !file(sensor, "root/run/podtap/agent.sock").exists(),
        "it can ask the agent"
    );

    // From inside, as whoever takes it over would look.
    let selector = format!("spec.nodeName={}", node.name());
    let pods = ["get", "pods", "-n", "podtap", "--field-selector", &selector];
    let name =
        cluster.kubectl(&[&pods[..], &["-o", "jsonpath={.items[0].metadata.name}"]].concat())?;
    let look = "cat /proc/[0-9]*/comm; find / -path /proc -prune -o -name token -print -o -type s -print; id -u";
    let exec = [
        "exec", "-n", "podtap", &name, "-c", "suricata", "--", "sh", "-c", look,
    ];
    let seen = cluster.kubectl(&exec)?;
    let mut seen: Vec<_> = seen.lines().collect();
    let user = seen.pop().context("no answer")?;
    assert_ne!(user, "0", "the sensor is root");
    seen.retain(|line| !["Suricata-Main", "suricata", "sh", "cat"].contains(line));
    assert_eq!(seen, Vec::<&str>::new(), "seen from inside");

    for namespace in ["pid", "mnt"] {
        assert_ne!(
            sensor.namespace(namespace),
            agent.namespace(namespace),
            "{namespace}"
        );
        assert_ne!(
            sensor.namespace(namespace),
            Process(node.machine().pid()).namespace(namespace)
        );
    }
    Ok(())
}

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_agent_and_sensor_have_their_capabilities_and_no_others() -> Result<()> {
    let cluster = Cluster::attach()?;
    for node in cluster.nodes() {
        let agent = Agent::of(node).process()?;
        for set in ["CapEff", "CapPrm", "CapBnd"] {
            assert_eq!(capabilities(agent, set)?, AGENT, "the agent's {set}");
        }
        assert_eq!(status(agent, "NoNewPrivs")?, "1");
        let sensor = Suricata::of(node).process()?;
        // Its bounding set is what any program in its container could get.
        assert_eq!(capabilities(sensor, "CapBnd")?, SENSOR, "the sensor's");
        for process in [agent, sensor] {
            // A filter, as RuntimeDefault gives it.
            assert_eq!(status(process, "Seccomp")?, "2");
        }
    }
    let privileged = "jsonpath={..securityContext.privileged}{..hostPID}{..hostNetwork}{..hostIPC}";
    let set = cluster.kubectl(&["get", "pods", "-n", "podtap", "-o", privileged])?;
    assert!(
        !set.contains("true"),
        "privileged, or on the node's namespaces: {set}"
    );
    Ok(())
}

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_the_agents_service_account_may_do_what_it_needs_and_no_more() -> Result<()> {
    let cluster = Cluster::attach()?;
    // The other account of the namespace has what everyone has.
    let everyone = rules::of(&cluster, "default")?;
    let ours = rules::of(&cluster, "podtap")?;
    let more: Vec<_> = ours.difference(&everyone).map(String::as_str).collect();
    let wanted = [
        "create events.k8s.io events",
        "get apps daemonsets podtap",
        "list  namespaces",
        "list  pods",
        "patch events.k8s.io events",
        "watch  namespaces",
        "watch  pods",
    ];
    assert_eq!(more, wanted);
    Ok(())
}

/// The numbers of a set's capabilities.
fn capabilities(process: Process, set: &str) -> Result<Vec<u8>> {
    let bits = u64::from_str_radix(&status(process, set)?, 16)?;
    Ok((0..64).filter(|bit| bits >> bit & 1 == 1).collect())
}

fn status(process: Process, name: &str) -> Result<String> {
    let text = fs::read_to_string(format!("/proc/{}/status", process.0))?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(":"));
    value
        .map(|value| value.trim().to_owned())
        .with_context(|| format!("no {name}"))
}
