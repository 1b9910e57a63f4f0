//! A node: containerd and the kubelet on a machine.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::addresses::NodeNumber;
use super::cgroup;
use super::kubeconfig;
use super::layout::Layout;
use super::machine::Machine;
use super::node_config;
use super::pki::Authority;
use crate::process::{output, wait_for};
use crate::setup::find;

/// A node's number, names and machine.
#[derive(Clone, Debug)]
pub struct Node {
    number: NodeNumber,
    machine: Machine,
}

impl Node {
    /// The node that runs on a machine.
    pub(super) fn new(number: NodeNumber, machine: Machine) -> Self {
        Self { number, machine }
    }

    /// Its name in the cluster.
    pub fn name(&self) -> String {
        self.number.name()
    }

    /// Its address in the cluster.
    pub fn ip(&self) -> String {
        self.number.ip()
    }

    /// The addresses of its pods.
    pub fn pods(&self) -> String {
        self.number.pods()
    }

    /// The machine below it.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Writes the node's configuration and certificates.
    pub(super) fn configure(&self, layout: &Layout, authority: &Authority) -> Result<()> {
        let name = self.name();
        kubeconfig::issue(
            layout,
            authority,
            &name,
            &format!("system:node:{name}"),
            "system:nodes",
        )?;
        authority.server(&format!("{name}-server"), &[&name, &self.ip()])?;
        let folder = layout.machine(&name);
        fs::create_dir_all(folder.join("cni"))?;
        fs::write(
            folder.join("containerd.toml"),
            node_config::containerd(layout, &name)?,
        )?;
        fs::write(
            folder.join("cni/podtap-xt.conflist"),
            node_config::cni(self.number)?,
        )?;
        fs::write(
            folder.join("kubelet.json"),
            node_config::kubelet(layout, self.number)?,
        )?;
        cgroup::create(&cgroup::of_machine(layout, &name))
    }

    /// Starts containerd and waits until it answers.
    pub(super) fn start_containerd(&self, layout: &Layout) -> Result<()> {
        let containerd = find("containerd").context("no containerd")?;
        let config = layout.machine(&self.name()).join("containerd.toml");
        self.machine.start_daemon(
            layout,
            containerd.to_str().context("containerd's path")?,
            &["--config".to_owned(), config.display().to_string()],
        )?;
        wait_for(
            &format!("containerd on {}", self.name()),
            Duration::from_secs(30),
            || output(self.machine.command("ctr").arg("version")).map(Some),
        )?;
        Ok(())
    }

    /// Starts the kubelet.
    pub(super) fn start_kubelet(&self, layout: &Layout) -> Result<()> {
        let name = self.name();
        let flags = [
            format!(
                "--config={}",
                layout.machine(&name).join("kubelet.json").display()
            ),
            format!("--kubeconfig={}", layout.kubeconfig_of(&name).display()),
            format!("--hostname-override={name}"),
            format!("--node-ip={}", self.ip()),
        ];
        let program = layout.binary("kubelet");
        self.machine.start_daemon(
            layout,
            program
                .to_str()
                .context("the workspace's path is not UTF-8")?,
            &flags,
        )
    }
}
