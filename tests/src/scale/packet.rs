//! What a packet of one pod costs while many others are tapped, and while none
//! is.

use std::{fs, net::UdpSocket};

use anyhow::{Context as _, Result};
use tests::{ScriptedNode, ScriptedPod, eventually, scripted_node::NodeAgent};
use xtask::bench::{Counting, KernelTime};

use crate::figures::Figures;

const PACKETS: u64 = 300_000;
const PAYLOAD: [u8; 64] = [0x55; 64];
const THREAD: &str = "podtap-datapath";

struct Cost {
    kernel_ns: f64,
    user_ns: f64,
}

/// All pods are tapped now; in the end the first alone is.
pub(crate) fn measure(
    node: &ScriptedNode,
    pods: &[ScriptedPod],
    agent: &NodeAgent,
    figures: &mut Figures,
) -> Result<()> {
    let (one, others) = pods.split_first().context("a pod")?;
    let pid = agent.running.id();
    // What is new is slow.
    cost(node, one, pid)?;
    let with_all = cost(node, one, pid)?;
    for pod in others {
        node.api.put("pods", pod.unlabelled());
    }
    node.wait_for_tapped(&[one]);
    let alone = cost(node, one, pid)?;
    figures.add("in-kernel ns a packet, all tapped", with_all.kernel_ns);
    figures.add("in-kernel ns a packet, one tapped", alone.kernel_ns);
    figures.add("their ratio", with_all.kernel_ns / alone.kernel_ns);
    figures.add("datapath CPU ns a packet, all tapped", with_all.user_ns);
    figures.add("datapath CPU ns a packet, one tapped", alone.user_ns);
    figures.add("the ratio of these", with_all.user_ns / alone.user_ns);
    Ok(())
}

fn cost(node: &ScriptedNode, from: &ScriptedPod, pid: u32) -> Result<Cost> {
    let sink = node.netns.inside(|| UdpSocket::bind("10.99.0.1:0"))?;
    let sender = from.end.netns.inside(|| UdpSocket::bind("0.0.0.0:0"))?;
    sender.connect(sink.local_addr()?)?;
    let counting = Counting::start()?;
    let (kernel, user) = (KernelTime::of(pid)?, datapath_ns(pid)?);
    let records = node.status().datapath.records;
    for _ in 0..PACKETS {
        // What the sink does not read is dropped there.
        let _ = sender.send(&PAYLOAD);
    }
    let kernel = KernelTime::of(pid)?.since(kernel);
    drop(counting);
    eventually("all records are read", || {
        let status = node.status();
        let ring_full: u64 = (status.targets.iter())
            .map(|target| target.sent.verdicts["ring_full"].packets)
            .sum();
        (status.datapath.records + ring_full >= records + PACKETS).then_some(())
    });
    Ok(Cost {
        kernel_ns: kernel.run_time_ns as f64 / kernel.runs as f64,
        user_ns: (datapath_ns(pid)? - user) as f64 / PACKETS as f64,
    })
}

/// CPU time of the datapath's thread (Documentation/scheduler/sched-stats.rst).
fn datapath_ns(pid: u32) -> Result<u64> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = thread?.path();
        if fs::read_to_string(thread.join("comm"))?.trim() == THREAD {
            let stat = fs::read_to_string(thread.join("schedstat"))?;
            let ns = stat.split(' ').next().context("a number")?;
            return Ok(ns.parse()?);
        }
    }
    anyhow::bail!("the agent has no thread {THREAD}")
}
