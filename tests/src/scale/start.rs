//! An agent that finds all pods labelled when it starts.

use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use tests::{ScriptedNode, ScriptedPod, eventually, pause, scripted_node::NodeAgent};

use crate::{figures::Figures, memory};

/// The agent's ring as it is by default.
const RING_BYTES: u64 = 64 << 20;

/// Runs it until it taps them all.
pub(crate) fn measure(
    node: &ScriptedNode,
    pods: &[ScriptedPod],
    figures: &mut Figures,
) -> Result<NodeAgent> {
    for pod in pods {
        node.api.put("pods", pod.labelled());
    }
    let began_ns = now_ns();
    let agent = node.spawn(&mut node.agent());
    let status = eventually("all pods are tapped", || {
        pause(Duration::from_millis(50));
        let status = node.try_status()?;
        (status.targets.len() == pods.len()).then_some(status)
    });
    let times = || status.targets.iter().map(|target| target.since_ns);
    let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    ensure!(first > began_ns, "the clock was set");
    let seconds = |ns: u64| ns as f64 / 1e9;
    figures.add("start to the first tapped, s", seconds(first - began_ns));
    figures.add("start to all tapped, s", seconds(last - began_ns));
    let pid = agent.running.id();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    figures.add(
        "resident memory without the ring, MiB",
        mib(memory::resident_without_ring(pid)?),
    );
    figures.add(
        "of the kernel, programs and maps without the ring, MiB",
        mib(memory::bpf_bytes(pid, RING_BYTES)?),
    );
    Ok(agent)
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
