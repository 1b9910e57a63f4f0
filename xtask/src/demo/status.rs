//! What the agent of a node says of itself.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{NAMESPACE, PODTAP_NAMESPACE, PODTAP_SELECTOR};
use crate::{cluster::Cluster, process::wait_for};

/// The agent's pod on the node of one of the demo's pods, which it is asked
/// about.
#[derive(Debug)]
pub(super) struct AgentPod {
    name: String,
    pod: &'static str,
}

impl AgentPod {
    /// The one on the node where this pod runs.
    pub(super) fn on_node_of(cluster: &Cluster, pod: &'static str) -> Result<Self> {
        let node = "jsonpath={.spec.nodeName}";
        let node = cluster.kubectl(&["get", "pod", pod, "-n", NAMESPACE, "-o", node])?;
        let selector = format!("spec.nodeName={node}");
        let name = cluster.kubectl(&[
            "get",
            "pods",
            "-n",
            PODTAP_NAMESPACE,
            "-l",
            PODTAP_SELECTOR,
            "--field-selector",
            &selector,
            "-o",
            "jsonpath={.items[*].metadata.name}",
        ])?;
        ensure!(
            !name.is_empty() && !name.contains(' '),
            "agents on {node}: `{name}`"
        );
        Ok(Self { name, pod })
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The pod that it is asked about.
    pub(super) fn pod(&self) -> &'static str {
        self.pod
    }

    /// `podtap status`, as people read it.
    pub(super) fn status_table(&self, cluster: &Cluster) -> Result<String> {
        self.podtap(cluster, &["status"])
    }

    pub(super) fn wait_until_untapped(&self, cluster: &Cluster, limit: Duration) -> Result<()> {
        wait_for("the end of the tap", limit, || {
            Ok(self.target(cluster)?.is_none().then_some(()))
        })
    }

    pub(super) fn expect_untapped(&self, cluster: &Cluster) -> Result<()> {
        match self.target(cluster)? {
            Some(_) => bail!("the pod is tapped before it is labelled"),
            None => Ok(()),
        }
    }

    /// When the pod's tap stood, and when its first packet was seen, in
    /// nanoseconds since the Unix epoch; waits for both.
    pub(super) fn tapped_ns(&self, cluster: &Cluster, limit: Duration) -> Result<(u64, u64)> {
        wait_for("the first frame", limit, || {
            let target = self.target(cluster)?;
            let time = |name: &str| target.as_ref()?.get(name)?.as_u64();
            Ok(time("since_ns").zip(time("first_frame_ns")))
        })
    }

    /// Frames that the tap has, since the agent started.
    pub(super) fn delivered(&self, cluster: &Cluster) -> Result<u64> {
        let status = self.status(cluster)?;
        let delivered = status.pointer("/datapath/delivered");
        delivered
            .and_then(Value::as_u64)
            .context("no count of frames")
    }

    /// Nothing flows: what was seen equals the sum of the verdicts, and all
    /// of it was mirrored and is on the tap.
    pub(super) fn expect_closed_ledger(&self, cluster: &Cluster) -> Result<()> {
        let target = self.target(cluster)?.context("the pod is not tapped")?;
        let number = |path: &str| -> Result<u64> {
            let number = target.pointer(path).and_then(Value::as_u64);
            number.with_context(|| format!("the status has no {path}"))
        };
        for direction in ["received", "sent"] {
            let seen = number(&format!("/{direction}/seen/packets"))?;
            let verdicts = target
                .pointer(&format!("/{direction}/verdicts"))
                .and_then(Value::as_object)
                .context("the status has no verdicts")?;
            let sum: u64 = verdicts
                .values()
                .filter_map(|count| count.get("packets")?.as_u64())
                .sum();
            let mirrored = number(&format!("/{direction}/verdicts/mirrored/packets"))?;
            let dormant = number(&format!("/{direction}/verdicts/dormant/packets"))?;
            ensure!(
                seen == sum,
                "{direction}: seen {seen}, the verdicts' sum is {sum}"
            );
            ensure!(
                seen == mirrored + dormant,
                "{direction}: seen {seen}, mirrored {mirrored}, dormant {dormant}"
            );
        }
        let (frames, delivered) = (number("/frames")?, number("/delivered")?);
        ensure!(
            frames == delivered,
            "{frames} frames made, {delivered} on the tap"
        );
        ensure!(frames > 0, "no frame was made");
        Ok(())
    }

    /// The pod's entry, if it is tapped.
    fn target(&self, cluster: &Cluster) -> Result<Option<Value>> {
        let status = self.status(cluster)?;
        let targets = status.get("targets").and_then(Value::as_array);
        let target = targets
            .context("the status has no targets")?
            .iter()
            .find(|target| {
                target.get("pod").and_then(Value::as_str) == Some(self.pod)
                    && target.get("namespace").and_then(Value::as_str) == Some(NAMESPACE)
            });
        Ok(target.cloned())
    }

    fn status(&self, cluster: &Cluster) -> Result<Value> {
        let text = self.podtap(cluster, &["status", "--output", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }

    fn podtap(&self, cluster: &Cluster, arguments: &[&str]) -> Result<String> {
        let mut words = vec![
            "exec",
            "-n",
            PODTAP_NAMESPACE,
            &self.name,
            "-c",
            "agent",
            "--",
            "/usr/local/bin/podtap",
        ];
        words.extend(arguments);
        cluster.kubectl(&words)
    }
}
