//! A real Kubernetes on this computer: an API server and two nodes, built from
//! source, without Docker.
//!
//! [`Cluster::up`] builds what is missing and starts it; [`Cluster::attach`]
//! finds the one that runs; [`down`] leaves nothing. Everything lies below
//! `target/cluster` ([`layout`]); everything runs in namespaces of its own
//! ([`machine`]), so that this computer's network, mounts, kernel settings and
//! container runtime are not touched, and neither is any other cluster.

pub mod addresses;
mod binaries;
mod cgroup;
mod cleanup;
mod client;
mod control_plane;
mod credentials;
mod kubeconfig;
pub mod layout;
mod lock;
pub mod machine;
mod machine_folders;
mod network;
pub mod node;
mod node_config;
mod outage;
mod pki;
pub mod proc;
mod ready;
mod residue;
mod start;
mod status;

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

pub use binaries::{build as build_binaries, build_only};
pub use layout::Layout;
pub use machine::Machine;
pub use node::Node;
pub use outage::Outage;
pub use residue::residue;
pub use status::status;

use crate::process::step;
use crate::setup::require_root;
use addresses::{CONTROL, NodeNumber};

/// How long a running cluster may take to say that it is ready, before it is
/// started anew.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a cluster shall be.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes, 1 to 9.
    pub nodes: u8,
}

impl Default for Options {
    /// Two: enough for traffic between nodes.
    fn default() -> Self {
        Self { nodes: 2 }
    }
}

/// A running cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    layout: Layout,
    control: Machine,
    nodes: Vec<Node>,
}

impl Cluster {
    /// Brings a cluster up, or finds that one is up. What a crash left of an
    /// earlier one is cleaned away first.
    pub fn up(options: &Options) -> Result<Self> {
        require_root("cargo xtask cluster")?;
        let layout = Layout::of_this_workspace();
        let lock = lock::lock(&layout)?;
        if let Ok(cluster) = Self::attach()
            && cluster.wait_until_ready(PATIENCE).is_ok()
        {
            ensure!(
                cluster.nodes.len() == usize::from(options.nodes),
                "the cluster is up with {} nodes: take it down first",
                cluster.nodes.len()
            );
            eprintln!("the cluster is up already");
            return Ok(cluster);
        }
        if !residue(&layout).is_empty() {
            step("removing what is left of an earlier cluster", || {
                cleanup::clean(&layout)
            })?;
        }
        let started = std::time::Instant::now();
        let cluster = start::start(&layout, options).inspect_err(|_| {
            eprintln!(
                "the logs are in {}; `cargo xtask cluster down` cleans up",
                layout.log().display()
            );
        })?;
        drop(lock);
        eprintln!(
            "{:6.1} s  in all: {} nodes are ready",
            started.elapsed().as_secs_f64(),
            cluster.nodes.len()
        );
        Ok(cluster)
    }

    /// Finds the cluster that runs.
    pub fn attach() -> Result<Self> {
        require_root("cargo xtask cluster")?;
        let layout = Layout::of_this_workspace();
        if !layout.up_marker().exists() {
            bail!("no cluster runs: `cargo xtask cluster up` starts one");
        }
        let machines = Machine::all(&layout);
        let find = |name: &str| {
            machines
                .iter()
                .find(|machine| machine.name() == name)
                .cloned()
        };
        let broken = "the cluster is broken: `cargo xtask cluster up` starts it anew";
        let control = find(CONTROL).context(broken)?;
        let expected: u8 = std::fs::read_to_string(layout.up_marker())?
            .trim()
            .parse()
            .context(broken)?;
        let mut nodes = Vec::new();
        for number in (1..=expected).map(NodeNumber) {
            nodes.push(Node::new(number, find(&number.name()).context(broken)?));
        }
        let cluster = Self {
            layout,
            control,
            nodes,
        };
        for (machine, program) in cluster.programs() {
            if !machine.runs(program) {
                bail!("{program} does not run on {}: {broken}", machine.name());
            }
        }
        Ok(cluster)
    }

    /// Takes the cluster down.
    pub fn down(self) -> Result<()> {
        down()
    }

    /// Every program that must run, and where.
    fn programs(&self) -> Vec<(&Machine, &'static str)> {
        let control = [
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
        ];
        let mut programs: Vec<_> = control.map(|program| (&self.control, program)).into();
        for node in &self.nodes {
            programs.extend(["containerd", "kubelet"].map(|program| (node.machine(), program)));
        }
        programs
    }
}

/// Takes down whatever there is of a cluster; that there is none is fine.
pub fn down() -> Result<()> {
    require_root("cargo xtask cluster")?;
    let layout = Layout::of_this_workspace();
    let _lock = lock::lock(&layout)?;
    if residue(&layout).is_empty() {
        eprintln!("no cluster runs");
        return Ok(());
    }
    step("taking the cluster down", || cleanup::clean(&layout))
}
