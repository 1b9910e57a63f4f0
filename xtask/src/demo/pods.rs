//! The demo's own pods: a web server, and a client on the other node.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::{
    cluster::Cluster,
    image::web::{WEB_FILE, WEB_FILE_LENGTH, WEB_IMAGE},
};

/// Where they run.
pub(super) const NAMESPACE: &str = "demo";
/// The server.
pub(super) const WEB: &str = "web";
/// The client.
pub(super) const CLIENT: &str = "client";
/// A page that the server does not have.
pub(super) const MISSING: &str = "no-such-page";

/// Makes the namespace and both pods, not labelled.
pub(super) fn start(cluster: &Cluster) -> Result<()> {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE},
    });
    cluster.apply(&namespace.to_string())?;
    let client = ["sleep", "86400"];
    let nodes = cluster.nodes();
    let (first, last) = nodes.first().zip(nodes.last()).context("no nodes")?;
    for (name, node, command) in [(WEB, first, None), (CLIENT, last, Some(client))] {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"demo": name}},
            "spec": {
                "nodeSelector": {"kubernetes.io/hostname": node.name()},
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": name,
                    "image": WEB_IMAGE,
                    "imagePullPolicy": "Never",
                    "command": command,
                }],
            },
        });
        cluster.apply(&pod.to_string())?;
        // A demo that failed may have left it.
        label(cluster, name, "podtap.dev/tap-")?;
    }
    Ok(())
}

/// The address of a pod.
pub(super) fn ip(cluster: &Cluster, pod: &str) -> Result<String> {
    let path = "jsonpath={.status.podIP}";
    let ip = cluster.kubectl(&["get", "pod", pod, "-n", NAMESPACE, "-o", path])?;
    ensure!(!ip.is_empty(), "the pod {pod} has no address");
    Ok(ip)
}

/// Sets a label, or takes it away with `NAME-`.
pub(super) fn label(cluster: &Cluster, pod: &str, label: &str) -> Result<()> {
    cluster
        .kubectl(&["label", "pod", pod, "-n", NAMESPACE, label, "--overwrite"])
        .map(drop)
}

/// A packet from the client to the server every few milliseconds, and one back:
/// what a new tap sees first.
pub(super) struct SteadyPackets(Child);

impl SteadyPackets {
    /// Starts them; they end with this, or after `limit`.
    pub(super) fn start(cluster: &Cluster, ip: &str, limit: Duration) -> Result<Self> {
        // The end of standard input ends them. Ending kubectl would not: what
        // it started in the pod would go on.
        let script = format!(
            "ping -q -i 0.005 -w {} {ip} >/dev/null & cat; kill $!",
            limit.as_secs()
        );
        let child = cluster
            .kubectl_command()
            .args([
                "exec", "-i", "-n", NAMESPACE, CLIENT, "--", "sh", "-c", &script,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    /// Ends them, and waits until they have ended.
    pub(super) fn stop(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        self.0.wait()?;
        Ok(())
    }
}

/// Downloads the large file, whole, and asks for a page that is not there.
pub(super) fn download(cluster: &Cluster, ip: &str) -> Result<()> {
    let script = format!(
        "wget -q -O - http://{ip}/{WEB_FILE} | wc -c; \
         if wget -q -O - http://{ip}/{MISSING} 2>&1; then echo found; fi"
    );
    let out = cluster.kubectl(&["exec", "-n", NAMESPACE, CLIENT, "--", "sh", "-c", &script])?;
    let mut lines = out.lines().map(str::trim);
    ensure!(
        lines.next() == Some(&WEB_FILE_LENGTH.to_string()),
        "the download is not whole: {out}"
    );
    ensure!(
        !lines.any(|line| line == "found"),
        "the missing page was there"
    );
    Ok(())
}

/// The Events that tell a pod's owner what podtap did.
pub(super) fn events(cluster: &Cluster, pod: &str) -> Result<String> {
    cluster.kubectl(&[
        "get",
        "events.v1.events.k8s.io",
        "-n",
        NAMESPACE,
        "--field-selector",
        &format!("regarding.name={pod},reportingController=podtap.dev/agent"),
        "--sort-by=.eventTime",
        "-o",
        "custom-columns=TIME:.eventTime,TYPE:.type,REASON:.reason,NOTE:.note",
    ])
}
