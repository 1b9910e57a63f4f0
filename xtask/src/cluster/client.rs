//! Using a running cluster.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::layout::Layout;
use super::machine::Machine;
use super::node::Node;
use super::proc::Process;
use super::ready::{describe, is_ready, items};
use super::{Cluster, cgroup, control_plane};
use crate::process::{output, output_with_input, run, wait_for};

impl Cluster {
    /// Where its files lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The machine of the control plane.
    pub fn control(&self) -> &Machine {
        &self.control
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes
            .iter()
            .find(|node| node.name() == name)
            .with_context(|| format!("no node {name}"))
    }

    /// A kubectl command as the administrator, to add arguments to.
    pub fn kubectl_command(&self) -> Command {
        control_plane::kubectl(&self.layout, &self.control)
    }

    /// Runs kubectl and returns its standard output.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        output(self.kubectl_command().args(arguments))
    }

    /// Runs kubectl and reads its answer as JSON; `-o json` is added.
    pub fn kubectl_json(&self, arguments: &[&str]) -> Result<Value> {
        let text = output(self.kubectl_command().args(arguments).args(["-o", "json"]))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Applies a manifest, YAML or JSON.
    pub fn apply(&self, manifest: &str) -> Result<String> {
        output_with_input(
            self.kubectl_command().args(["apply", "-f", "-"]),
            manifest.as_bytes(),
        )
    }

    /// Applies a kustomize folder.
    pub fn apply_kustomize(&self, folder: &Path) -> Result<String> {
        output(self.kubectl_command().args(["apply", "-k"]).arg(folder))
    }

    /// Deletes what a kustomize folder made and waits until it is gone.
    pub fn delete_kustomize(&self, folder: &Path) -> Result<String> {
        output(
            self.kubectl_command()
                .args(["delete", "--ignore-not-found", "--wait", "-k"])
                .arg(folder),
        )
    }

    /// Brings an image archive to all nodes.
    pub fn import_image(&self, archive: &Path) -> Result<()> {
        std::thread::scope(|scope| {
            let imports: Vec<_> = self
                .nodes
                .iter()
                .map(|node| scope.spawn(|| node.import_image(archive)))
                .collect();
            imports
                .into_iter()
                .try_for_each(|import| import.join().unwrap_or_else(|_| bail!("panicked")))
        })
    }

    /// Runs a command on a node: in its network, mounts and processes.
    pub fn node_exec(&self, node: &str, words: &[&str]) -> Result<String> {
        let (program, arguments) = words.split_first().context("no command")?;
        output(self.node(node)?.machine().command(program).args(arguments))
    }

    /// Asks again and again until `ready` returns something.
    pub fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        wait_for(what, limit, ready)
    }

    /// Waits until there are pods with this label and all of them are ready.
    pub fn wait_for_pods(&self, namespace: &str, selector: &str, limit: Duration) -> Result<()> {
        wait_for(
            &format!("the pods {selector} in {namespace}"),
            limit,
            || {
                let pods = self.kubectl_json(&["get", "pods", "-n", namespace, "-l", selector])?;
                match items(&pods).iter().find(|pod| !is_ready(pod)) {
                    Some(pod) => bail!("{}", describe(pod)),
                    None => Ok((!items(&pods).is_empty()).then_some(())),
                }
            },
        )
    }

    /// The API server answers, all nodes are ready and pods can be made.
    pub(super) fn check(&self) -> Result<()> {
        let nodes = self.kubectl_json(&["get", "nodes"])?;
        let ready = items(&nodes).iter().filter(|node| is_ready(node)).count();
        if ready < self.nodes.len() {
            bail!("{ready} of {} nodes are ready", self.nodes.len());
        }
        Ok(())
    }

    pub(super) fn wait_until_ready(&self, limit: Duration) -> Result<()> {
        wait_for("the nodes", limit, || self.check().map(Some))?;
        // Without it the first pod is refused.
        wait_for("the default service account", limit, || {
            self.kubectl(&["get", "serviceaccount", "default", "-n", "default"])
                .map(Some)
        })?;
        Ok(())
    }
}

impl Node {
    /// Brings an image archive to this node.
    pub fn import_image(&self, archive: &Path) -> Result<()> {
        // Through a pipe: the archive may lie where the machine cannot see it.
        let file = File::open(archive).with_context(|| archive.display().to_string())?;
        let mut command = self.machine().command("ctr");
        command.args(["--namespace", "k8s.io", "images", "import", "-"]);
        let result = command
            .stdin(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()?;
        if !result.status.success() {
            bail!(
                "ctr images import {}: {}",
                archive.display(),
                String::from_utf8_lossy(&result.stderr).trim()
            );
        }
        Ok(())
    }

    /// The processes of its pods, as seen from outside.
    pub fn pod_processes(&self) -> Vec<Process> {
        let layout = Layout::of_this_workspace();
        let group = format!(":/{}/kubepods", cgroup::of_machine(&layout, &self.name()));
        let is_of_pod =
            |process: &Process| !process.is_gone() && process.cgroups().contains(&group);
        Process::all().into_iter().filter(is_of_pod).collect()
    }

    /// Runs a command on this node for its effect.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        run(self.machine().command(program).args(arguments))
    }
}
