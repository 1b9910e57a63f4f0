//! The agent of one node, asked on its node: it must answer when the API
//! server does not.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tap_userspace::model::status::{RefusedStatus, Status, TargetStatus};
use xtask::{
    cluster::{Cluster, Node, proc::Process},
    process::{output, wait_for},
};

use crate::{LIMIT, pod::Pod};

/// Where the image has the binary.
const BINARY: &str = "/usr/local/bin/podtap";

/// The agent of one node.
pub struct Agent<'a>(&'a Node);

impl<'a> Agent<'a> {
    /// The one of this node.
    pub fn of(node: &'a Node) -> Self {
        Self(node)
    }

    /// Its process, as seen from outside.
    pub fn process(&self) -> Result<Process> {
        let is_agent = |process: &Process| {
            let words = process.arguments();
            words.len() > 1 && words[0].ends_with("podtap") && words[1] == "agent"
        };
        let found = self.0.pod_processes().into_iter().find(is_agent);
        found.context("no agent runs on the node")
    }

    /// Its pod, by name.
    pub fn pod(&self, cluster: &Cluster) -> Result<String> {
        let selector = format!("spec.nodeName={}", self.0.name());
        let pods = ["get", "pods", "-n", "podtap", "--field-selector", &selector];
        let name = "jsonpath={.items[*].metadata.name}";
        let name = cluster.kubectl(&[&pods[..], &["-o", name]].concat())?;
        ensure!(
            !name.is_empty() && !name.contains(' '),
            "agents on {}: `{name}`",
            self.0.name()
        );
        Ok(name)
    }

    /// All that it has logged since its container started.
    pub fn log(&self, cluster: &Cluster) -> Result<String> {
        let pod = self.pod(cluster)?;
        cluster.kubectl(&["logs", "-n", "podtap", &pod, "-c", "agent"])
    }

    /// `podtap status`, in the agent's container.
    pub fn status(&self) -> Result<Status> {
        let process = self.process()?;
        let answer = output(
            Command::new("nsenter")
                .args(["--target", &process.0.to_string(), "--mount", "--"])
                .args([BINARY, "status", "--output", "json"]),
        )?;
        serde_json::from_str(&answer).with_context(|| answer)
    }

    /// What it says of a pod that it taps.
    pub fn target(&self, pod: &Pod) -> Result<Option<TargetStatus>> {
        Ok(self.targets(pod)?.into_iter().next())
    }

    /// What it says of each of a pod's tapped interfaces.
    pub fn targets(&self, pod: &Pod) -> Result<Vec<TargetStatus>> {
        let targets = self.status()?.targets;
        let is_its = |target: &TargetStatus| target.uid == pod.uid;
        Ok(targets.into_iter().filter(is_its).collect())
    }

    /// Waits until a pod is tapped.
    pub fn tapped(&self, pod: &Pod) -> Result<TargetStatus> {
        wait_for(&format!("{} to be tapped", pod.name), LIMIT, || {
            self.target(pod)
        })
    }

    /// Waits until a pod is not tapped.
    pub fn untapped(&self, pod: &Pod) -> Result<()> {
        wait_for(&format!("{} to be untapped", pod.name), LIMIT, || {
            Ok(self.target(pod)?.is_none().then_some(()))
        })
    }

    /// Waits until it says why it does not tap a pod.
    pub fn refused(&self, pod: &Pod) -> Result<RefusedStatus> {
        wait_for(&format!("{} to be refused", pod.name), LIMIT, || {
            self.refusal(pod)
        })
    }

    /// Why it does not tap a pod that is wanted, if it says.
    pub fn refusal(&self, pod: &Pod) -> Result<Option<RefusedStatus>> {
        let is_it =
            |refused: &RefusedStatus| refused.namespace == pod.namespace && refused.pod == pod.name;
        Ok(self.status()?.refused.into_iter().find(is_it))
    }
}

/// Frames of this target that reached the tap so far; 0 if it is not tapped.
pub fn delivered(target: Option<&TargetStatus>) -> u64 {
    target.map_or(0, |target| target.delivered)
}
