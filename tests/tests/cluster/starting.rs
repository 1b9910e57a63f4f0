//! A pod that is born with the label.
//!
//! What podtap does not promise: the first packets. It hears of a pod from the
//! API server, and the pod's network and containers are up at about the same
//! time, so a container that talks at once has talked before the tap stands.
//! Held to here: the tap stands soon, it says since when, and from then on
//! nothing is missing.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::json;
use tap_userspace::model::status::TargetStatus;
use xtask::{
    cluster::{Cluster, proc::Process},
    process::wait_for,
};

use crate::{
    agent::Agent, events, namespace::Namespace, pod::Pod, suricata::Suricata, traffic::Client,
};

/// How long after its sandbox's first process a pod may be without its tap, on
/// a machine that is busy with other things too.
const SOON: Duration = Duration::from_secs(3);

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_pod_born_with_the_label_is_tapped_soon_and_completely() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "born")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let mut delays_ms = Vec::new();
    for number in 0..5 {
        let name = format!("web-{number}");
        let pod = namespace.web(&name, &[("podtap.dev/tap", "true")])?;
        let target = agent.tapped(&pod)?;
        let delay = since(&target, sandbox(&pod)?)?;
        assert!(delay < SOON, "{name} was without its tap for {delay:?}");
        delays_ms.push(delay.as_millis());

        let missed = missed(&agent, &pod)?;
        let path = format!("{}-{name}", namespace.name());
        Client::on(node.machine()).get(&pod, &path)?;
        Suricata::of(node).saw(&path)?;
        expect_missed(&agent, &pod, missed)?;
        events::expect(&cluster, &pod, &["Tapped"])?;
    }
    delays_ms.sort_unstable();
    eprintln!("sandbox -> tap, ms: {delays_ms:?}");
    Ok(())
}

/// A pod that talks from its first moment on: what it says before the tap stands
/// is missed, and nothing after that.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_pod_that_talks_at_once_is_heard_from_the_tap_on() -> Result<()> {
    const REQUESTS: usize = 300;
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "talks")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let server = namespace.web("server", &[])?;
    let mut manifest = namespace.manifest("talker", 0, &[("podtap.dev/tap", "true")]);
    let ask = format!(
        "n=0; while [ $n -lt {REQUESTS} ]; do wget -q -O /dev/null http://{}/{}-$n; n=$((n+1)); done; \
         exec sleep 86400",
        server.ip,
        namespace.name()
    );
    manifest["spec"]["containers"][0]["command"] = json!(["sh", "-c", ask]);
    let pod = namespace.start(&manifest)?;
    let target = agent.tapped(&pod)?;
    let suricata = Suricata::of(node);
    suricata.saw(&format!("{}-{}", namespace.name(), REQUESTS - 1))?;

    let prefix = format!("{}-", namespace.name());
    let paths = suricata.paths()?;
    let number = |path: &String| path.strip_prefix(&prefix)?.parse::<usize>().ok();
    let heard: BTreeSet<_> = paths.iter().filter_map(number).collect();
    let first = *heard.first().context("nothing was heard")?;
    let container = since(&target, pod.process("sleep")?)?;
    eprintln!(
        "container -> tap: {container:?}; the first {first} of {REQUESTS} requests were missed"
    );
    assert_eq!(
        heard,
        (first..REQUESTS).collect(),
        "missed after the tap stood"
    );
    Ok(())
}

/// What the pod's interface carried and the tap did not see.
fn missed(agent: &Agent<'_>, pod: &Pod) -> Result<(u64, u64)> {
    let carried = pod.eth0()?.counters;
    let target = agent.target(pod)?.context("the pod is tapped")?;
    let missed = |carried: u64, seen: u64| {
        // Seen since, if it is less than nothing.
        carried.saturating_sub(seen)
    };
    Ok((
        missed(carried.rx_packets, target.received.seen.packets),
        missed(carried.tx_packets, target.sent.seen.packets),
    ))
}

/// Nothing more was missed. Counters and ledger are not read at one moment, so
/// they may have to be read again.
fn expect_missed(agent: &Agent<'_>, pod: &Pod, before: (u64, u64)) -> Result<()> {
    wait_for(
        "as many packets on the tap as the pod's interface had",
        SOON,
        || {
            let now = missed(agent, pod)?;
            anyhow::ensure!(now == before, "missed {now:?}, and before only {before:?}");
            Ok(Some(()))
        },
    )
}

/// The first process of a pod: there as soon as its network namespace is.
fn sandbox(pod: &Pod) -> Result<Process> {
    pod.process("pause")
}

/// How long after the start of a process a target was enabled; no time if it
/// was before.
fn since(target: &TargetStatus, process: Process) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.0))?;
    // Field 22, counted behind the name in parentheses; in ticks of 10 ms.
    let ticks: u64 = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.split(' ').nth(19)?.parse().ok())
        .context("no start time")?;
    let clock = |id| Duration::try_from(rustix::time::clock_gettime(id));
    let boot = clock(rustix::time::ClockId::Realtime)?
        .saturating_sub(clock(rustix::time::ClockId::Boottime)?);
    let started = boot + Duration::from_millis(ticks * 10);
    Ok(Duration::from_nanos(target.since_ns).saturating_sub(started))
}
