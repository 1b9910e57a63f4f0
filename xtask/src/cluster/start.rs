//! Bringing a cluster up, step by step.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::addresses::{CONTROL, NodeNumber};
use super::layout::Layout;
use super::machine::Machine;
use super::node::Node;
use super::{Cluster, Options, binaries, control_plane, credentials, network};
use crate::image;
use crate::process::step;
use crate::setup::{Tool, need};

/// What the machine itself must bring.
const TOOLS: &[Tool] = &[
    Tool {
        command: "containerd",
        package: "containerd",
    },
    Tool {
        command: "ctr",
        package: "containerd",
    },
    Tool {
        command: "runc",
        package: "runc",
    },
    Tool {
        command: "/usr/lib/cni/bridge",
        package: "containernetworking-plugins",
    },
    Tool {
        command: "ip",
        package: "iproute2",
    },
    Tool {
        command: "nsenter",
        package: "util-linux",
    },
];

/// Starts a cluster on a machine where nothing of one is left.
pub(super) fn start(layout: &Layout, options: &Options) -> Result<Cluster> {
    need(TOOLS)?;
    binaries::build(layout)?;
    let pause = image::pause::build(layout)?;

    let (control, nodes) = step("starting machines and network", || {
        machines(layout, options)
    })?;
    step("starting the control plane", || {
        let authority = credentials::create(layout)?;
        for node in &nodes {
            node.configure(layout, &authority)?;
        }
        // The nodes' runtimes start beside the slower API server.
        std::thread::scope(|scope| {
            let runtimes: Vec<_> = nodes
                .iter()
                .map(|node| scope.spawn(|| runtime(layout, node, &pause)))
                .collect();
            control_plane::start(layout, &control)?;
            runtimes.into_iter().try_for_each(|runtime| {
                runtime.join().unwrap_or_else(|_| anyhow::bail!("panicked"))
            })
        })
    })?;
    let cluster = Cluster {
        layout: layout.clone(),
        control,
        nodes,
    };
    step("nodes joining", || {
        cluster
            .nodes
            .iter()
            .try_for_each(|node| node.start_kubelet(layout))?;
        cluster.wait_until_ready(Duration::from_secs(120))
    })?;
    fs::write(layout.up_marker(), cluster.nodes.len().to_string())?;
    Ok(cluster)
}

fn machines(layout: &Layout, options: &Options) -> Result<(Machine, Vec<Node>)> {
    anyhow::ensure!(
        (1..=9).contains(&options.nodes),
        "a cluster has 1 to 9 nodes"
    );
    fs::create_dir_all(layout.run())?;
    let control = Machine::start(layout, CONTROL)?;
    let mut nodes = Vec::new();
    for number in (1..=options.nodes).map(NodeNumber) {
        nodes.push((number, Machine::start(layout, &number.name())?));
    }
    network::connect(&control, &nodes)?;
    Ok((
        control,
        nodes
            .into_iter()
            .map(|(number, machine)| Node::new(number, machine))
            .collect(),
    ))
}

fn runtime(layout: &Layout, node: &Node, pause: &std::path::Path) -> Result<()> {
    node.start_containerd(layout)?;
    node.import_image(pause).context("the sandboxes' image")
}
