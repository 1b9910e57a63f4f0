//! A pod's annotations say how it is tapped.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context as _, Result};
use tap_userspace::adapter::netns::Netns;
use xtask::{cluster::Cluster, process::wait_for};

use crate::{LIMIT, agent::Agent, events, kernel, namespace::Namespace, pod::Pod, traffic::Client};

const TAPPED: [(&str, &str); 1] = [("podtap.dev/tap", "true")];

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_an_annotation_that_means_nothing_is_refused_until_it_is_corrected() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "annotation")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    let pod = namespace.web("web", &TAPPED)?;
    agent.tapped(&pod)?;

    namespace.annotate_pod(&pod, "podtap.dev/segment=large")?;
    assert_eq!(agent.refused(&pod)?.reason, "BadAnnotation");
    agent.untapped(&pod)?;
    let told = events::expect(&cluster, &pod, &["Tapped", "Untapped", "Refused"])?;
    let note = &told.last().context("an Event")?.note;
    for words in ["podtap.dev/segment", "large", "wire", "jumbo"] {
        assert!(note.contains(words), "{note}");
    }

    namespace.annotate_pod(&pod, "podtap.dev/segment=jumbo")?;
    agent.tapped(&pod)?;
    assert_eq!(agent.refusal(&pod)?, None);
    Ok(())
}

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_the_annotated_interfaces_are_tapped_and_followed() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "interfaces")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    let pod = namespace.web("web", &TAPPED)?;
    expect_interfaces(&agent, &pod, &["eth0"])?;

    // One that comes later, and goes again, as Multus and others do it.
    in_pod(&pod, "ip link add net1 type veth peer name net2")?;
    in_pod(&pod, "ip link set net1 up")?;
    expect_interfaces(&agent, &pod, &["eth0", "net1"])?;
    in_pod(&pod, "ip link del net1")?;
    expect_interfaces(&agent, &pod, &["eth0"])?;

    // A sidecar's traffic.
    namespace.annotate_pod(&pod, "podtap.dev/interfaces=eth0,lo")?;
    expect_interfaces(&agent, &pod, &["eth0", "lo"])?;
    let loopback = Pod {
        ip: "127.0.0.1".into(),
        ..pod.clone()
    };
    Client::of(&pod)?.expect_page(&loopback)?;
    wait_for("loopback's frames", LIMIT, || {
        let targets = agent.targets(&pod)?;
        let lo = targets.iter().find(|target| target.interface == "lo");
        let lo = lo.context("lo is not tapped")?;
        assert_eq!(lo.received.seen.packets, 0, "one direction is enough");
        Ok((lo.delivered > 0 && lo.delivered == lo.frames).then_some(()))
    })?;

    namespace.annotate_pod(&pod, "podtap.dev/interfaces-")?;
    expect_interfaces(&agent, &pod, &["eth0"])
}

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_namespaces_annotation_is_its_pods_default() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "defaults")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    namespace.annotate("podtap.dev/direction=out")?;
    let pod = namespace.web("web", &TAPPED)?;
    let expect = |direction: &str, attached: [usize; 2]| -> Result<()> {
        wait_for(&format!("the direction {direction}"), LIMIT, || {
            let target = agent.target(&pod)?;
            Ok(target.filter(|target| target.direction == direction))
        })?;
        let are = kernel::attached(&pod)?.map(|programs| programs.len());
        assert_eq!(are, attached, "programs on the pod, in and out");
        Ok(())
    };
    expect("out", [0, 1])?;
    // The pod's own goes first, and without it the namespace's holds again.
    namespace.annotate_pod(&pod, "podtap.dev/direction=both")?;
    expect("both", [1, 1])?;
    namespace.annotate_pod(&pod, "podtap.dev/direction-")?;
    expect("out", [0, 1])?;
    namespace.annotate("podtap.dev/direction=up")?;
    assert_eq!(agent.refused(&pod)?.reason, "BadNamespaceAnnotation");
    agent.untapped(&pod)
}

/// What is enforced leaves a pod no choice.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_annotations_change_nothing_in_an_enforced_namespace() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "enforced-settings")?;
    namespace.label("podtap.dev/tap=enforced")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    let pod = namespace.web("web", &[])?;
    let since_ns = agent.tapped(&pod)?.since_ns;
    namespace.annotate_pod(&pod, "podtap.dev/interfaces=lo")?;
    // Another pod's tap shows that the agent has read on.
    let other = namespace.web("other", &[])?;
    agent.tapped(&other)?;
    expect_interfaces(&agent, &pod, &["eth0"])?;
    assert_eq!(agent.tapped(&pod)?.since_ns, since_ns, "tapped anew");
    Ok(())
}

fn expect_interfaces(agent: &Agent<'_>, pod: &Pod, names: &[&str]) -> Result<()> {
    let expected: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    wait_for(&format!("taps on {names:?}"), LIMIT, || {
        let targets = agent.targets(pod)?;
        let are: BTreeSet<_> = targets.into_iter().map(|target| target.interface).collect();
        Ok((are == expected).then_some(()))
    })
}

/// Runs a command of this computer in the pod's network namespace.
fn in_pod(pod: &Pod, command: &str) -> Result<()> {
    let process = *pod.processes().first().context("the pod has no process")?;
    let netns = Netns::of_process(Path::new("/proc"), process.0)?;
    let mut words = command.split_whitespace();
    let mut command = std::process::Command::new(words.next().context("a command")?);
    command.args(words);
    netns.inside(|| xtask::process::run(&mut command))?
}
