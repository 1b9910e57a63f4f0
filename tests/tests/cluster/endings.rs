//! How a tap ends, and what does not end it.

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use xtask::{cluster::Cluster, process::wait_for};

use crate::{
    LIMIT,
    agent::{Agent, delivered},
    events, kernel,
    namespace::Namespace,
    pod::Pod,
    traffic::Client,
};

const TAPPED: &[(&str, &str)] = &[("podtap.dev/tap", "true")];

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_deleted_pod_leaves_no_target() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "deleted")?;
    let agent = Agent::of(&cluster.nodes()[0]);
    let pod = namespace.web("web", TAPPED)?;
    agent.tapped(&pod)?;

    namespace.delete(&pod)?;
    agent.untapped(&pod)?;
    assert_eq!(agent.refusal(&pod)?, None);
    let last = events::expect(&cluster, &pod, &["Tapped", "Untapped"])?;
    assert!(last[1].note.contains("is gone"), "{last:?}");
    Ok(())
}

/// It is the new pod's traffic that is asked for, whatever its name.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_pod_replaced_under_its_name_is_tapped_anew() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "replaced")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let first = namespace.web("web", TAPPED)?;
    agent.tapped(&first)?;

    namespace.delete(&first)?;
    let second = namespace.web("web", TAPPED)?;
    assert_ne!(first.uid, second.uid);
    agent.tapped(&second)?;
    agent.untapped(&first)?;
    let named = agent.status()?.targets;
    let named = named
        .iter()
        .filter(|target| target.namespace == namespace.name());
    assert_eq!(named.count(), 1);
    Client::on(node.machine()).expect_page(&second)?;
    wait_for("the new pod's frames", LIMIT, || {
        Ok((delivered(agent.target(&second)?.as_ref()) > 0).then_some(()))
    })?;
    events::expect(&cluster, &first, &["Tapped", "Untapped"])?;
    events::expect(&cluster, &second, &["Tapped"])?;
    Ok(())
}

/// The network namespace outlives a container: so does the tap.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_restarted_container_keeps_its_tap() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "restarted")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let pod = namespace.web("web", TAPPED)?;
    let before = agent.tapped(&pod)?;

    let server = pod.process("httpd")?;
    kill(Pid::from_raw(server.0.try_into()?), Signal::SIGKILL)?;
    wait_for("the container to be restarted", LIMIT, || {
        let now = pod.process("httpd")?;
        Ok((now != server && namespace.ready("web")?.is_some()).then_some(()))
    })?;
    let client = Client::on(node.machine());
    wait_for("the server to answer", LIMIT, || {
        client.expect_page(&pod).map(Some)
    })?;
    let after = wait_for("frames of the new container", LIMIT, || {
        let target = agent.target(&pod)?.context("the tap is gone")?;
        Ok((target.delivered > before.delivered).then_some(target))
    })?;
    assert_eq!(
        after.since_ns, before.since_ns,
        "the tap was let go for a while"
    );
    assert_eq!(kernel::attached(&pod)?, kernel::tapped_once());
    events::expect(&cluster, &pod, &["Tapped"])?;
    Ok(())
}

/// A pod whose sandbox dies gets another network namespace under the same UID.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_pod_with_a_new_sandbox_is_tapped_anew() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "sandbox")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let pod = namespace.web("web", TAPPED)?;
    let before = agent.tapped(&pod)?;
    let inode = pod.netns()?.inode();

    kill(
        Pid::from_raw(pod.process("pause")?.0.try_into()?),
        Signal::SIGKILL,
    )?;
    let after = wait_for("a tap in the new namespace", LIMIT, || {
        let target = agent.target(&pod)?;
        Ok(target.filter(|target| target.since_ns != before.since_ns))
    })?;
    let client = Client::on(node.machine());
    let pod = wait_for("the pod to serve again", LIMIT, || {
        let pod = namespace.ready("web")?.context("it is not ready")?;
        anyhow::ensure!(pod.netns()?.inode() != inode, "it has its old namespace");
        // Its address is another one too, which its status learns later.
        client.expect_page(&pod)?;
        Ok(Some(pod))
    })?;
    assert_eq!(after.uid, pod.uid);
    wait_for("frames of the new namespace", LIMIT, || {
        Ok((delivered(agent.target(&pod)?.as_ref()) > 0).then_some(()))
    })?;
    assert_eq!(kernel::attached(&pod)?, kernel::tapped_once());
    events::expect(&cluster, &pod, &["Tapped", "Untapped", "Tapped"])?;
    Ok(())
}

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_finished_pod_leaves_no_target() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "finished")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let mut manifest = namespace.manifest("job", 0, TAPPED);
    manifest["spec"]["restartPolicy"] = json!("Never");
    // It ends well as soon as someone has called.
    manifest["spec"]["containers"][0]["command"] = json!(["nc", "-l", "-p", "80"]);
    let pod = namespace.start(&manifest)?;
    agent.tapped(&pod)?;

    Client::on(node.machine()).call(&pod)?;
    let phase = || {
        let path = "jsonpath={.status.phase}";
        cluster.kubectl(&["get", "pod", "job", "-n", namespace.name(), "-o", path])
    };
    wait_for("the pod to succeed", LIMIT, || {
        Ok((phase()? == "Succeeded").then_some(()))
    })?;
    agent.untapped(&pod)?;
    assert_eq!(agent.refusal(&pod)?, None, "it is nobody's fault");
    events::expect(&cluster, &pod, &["Tapped", "Untapped"])?;
    Ok(())
}

/// What a pod says while it ends may be what its owner looks for.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_pod_stays_tapped_while_it_is_being_deleted() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "ending")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let mut manifest = namespace.manifest("web", 0, TAPPED);
    manifest["spec"]["terminationGracePeriodSeconds"] = json!(60);
    // The first process of a container does not hear SIGTERM unless it asks.
    manifest["spec"]["containers"][0]["command"] =
        json!(["sh", "-c", "httpd -p 80 -h /www; while :; do sleep 1; done"]);
    let pod = namespace.start(&manifest)?;
    let before = agent.tapped(&pod)?;

    let name = ["pod", "web", "-n", namespace.name()];
    cluster.kubectl(&[&["delete", "--wait=false"], &name[..]].concat())?;
    let client = Client::on(node.machine());
    client.expect_page(&pod)?;
    wait_for("frames of the ending pod", LIMIT, || {
        let target = agent.target(&pod)?.context("the tap is gone")?;
        Ok((target.delivered > before.delivered).then_some(()))
    })?;

    cluster.kubectl(&[&["delete", "--force", "--grace-period=0"], &name[..]].concat())?;
    agent.untapped(&pod)?;
    events::expect(&cluster, &pod, &["Tapped", "Untapped"])?;
    Ok(())
}

/// What holds it back is none of podtap's business: its containers are.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_pod_that_a_finalizer_holds_is_tapped_until_its_containers_have_ended() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "held")?;
    let node = &cluster.nodes()[0];
    let agent = Agent::of(node);
    let mut manifest = namespace.manifest("web", 0, TAPPED);
    manifest["metadata"]["finalizers"] = json!(["podtap.dev/test"]);
    manifest["spec"]["terminationGracePeriodSeconds"] = json!(600);
    // What ends does so for good, even if the kubelet sees it before it sees
    // that the pod is being deleted.
    manifest["spec"]["restartPolicy"] = json!("Never");
    manifest["spec"]["containers"][0]["command"] =
        json!(["sh", "-c", "httpd -p 80 -h /www; while :; do sleep 1; done"]);
    let pod = namespace.start(&manifest)?;
    let held = Held {
        cluster: &cluster,
        pod: &pod,
    };
    let before = agent.tapped(&pod)?;

    let name = ["pod", "web", "-n", namespace.name()];
    cluster.kubectl(&[&["delete", "--wait=false"], &name[..]].concat())?;
    Client::on(node.machine()).expect_page(&pod)?;
    let while_it_ends = wait_for("frames of the ending pod", LIMIT, || {
        let target = agent.target(&pod)?.context("the tap is gone")?;
        Ok((target.delivered > before.delivered).then_some(target))
    })?;
    assert_eq!(while_it_ends.since_ns, before.since_ns);

    // Its containers end; it stays.
    kill(
        Pid::from_raw(pod.process("sh")?.0.try_into()?),
        Signal::SIGKILL,
    )?;
    agent.untapped(&pod)?;
    let phase = || {
        let path = "jsonpath={.status.phase}";
        cluster.kubectl(&[&["get"], &name[..], &["-o", path]].concat())
    };
    wait_for("the pod to have failed", LIMIT, || {
        Ok((phase()? == "Failed").then_some(()))
    })?;
    assert_eq!(agent.refusal(&pod)?, None, "it is nobody's fault");
    assert_eq!(agent.target(&pod)?, None);
    drop(held);
    wait_for("the pod to be gone", LIMIT, || {
        let left = [&["get", "--ignore-not-found"], &name[..]].concat();
        Ok(cluster.kubectl(&left)?.is_empty().then_some(()))
    })?;
    events::expect(&cluster, &pod, &["Tapped", "Untapped"])?;
    Ok(())
}

/// A pod with a finalizer, which goes with this.
struct Held<'a> {
    cluster: &'a Cluster,
    pod: &'a Pod,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let patch = r#"{"metadata": {"finalizers": null}}"#;
        let (namespace, name) = (&self.pod.namespace, &self.pod.name);
        let patch = [
            "patch",
            "pod",
            name,
            "-n",
            namespace,
            "--type=merge",
            "-p",
            patch,
        ];
        if let Err(error) = self.cluster.kubectl(&patch) {
            eprintln!("{name} keeps its finalizer: {error:#}");
        }
    }
}
