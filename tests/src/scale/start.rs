//! An agent that finds all pods labelled when it starts, or tapped by one that
//! was killed.

use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use aya::programs::loaded_programs;
use nix::sys::signal::Signal;
use tap_userspace::{adapter::bpf::Pins, model::status::Status};
use tests::{ScriptedNode, ScriptedPod, TestBpffs, eventually, pause, scripted_node::NodeAgent};

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
    let (first_s, last_s) = since(began_ns, &all_tapped(node, pods))?;
    figures.add("start to the first tapped, s", first_s);
    figures.add("start to all tapped, s", last_s);
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

/// Kills an agent that taps them all, and runs the next one until it has taken
/// them over.
pub(crate) fn take_over(
    node: &ScriptedNode,
    pods: &[ScriptedPod],
    figures: &mut Figures,
) -> Result<()> {
    for pod in pods {
        node.api.put("pods", pod.labelled());
    }
    let bpffs = TestBpffs::new();
    let mut killed = node.spawn(&mut node.agent_on(&bpffs));
    all_tapped(node, pods);
    killed.running.signal(Signal::SIGKILL);
    killed.running.wait();
    let began_ns = now_ns();
    let next = node.spawn(&mut node.agent_on(&bpffs));
    let (_, last_s) = since(began_ns, &all_tapped(node, pods))?;
    figures.add("next start to all taken over, s", last_s);
    // It leaves them to another, which does not come.
    drop(node.end(next));
    Pins::remove_all(&bpffs.path())?;
    // The kernel takes the links down one by one, with a lock held that the
    // next round would wait for.
    eventually("the links are gone", || {
        pause(Duration::from_millis(50));
        let mut programs = loaded_programs().filter_map(Result::ok);
        let is_ours = |name: &str| name.starts_with("podtap_");
        let stands = programs.any(|program| program.name_as_str().is_some_and(is_ours));
        (!stands).then_some(())
    });
    Ok(())
}

fn all_tapped(node: &ScriptedNode, pods: &[ScriptedPod]) -> Status {
    eventually("all pods are tapped", || {
        pause(Duration::from_millis(50));
        let status = node.try_status()?;
        (status.targets.len() == pods.len()).then_some(status)
    })
}

/// When the first and the last of the targets were there, in seconds.
fn since(began_ns: u64, status: &Status) -> Result<(f64, f64)> {
    let times = || status.targets.iter().map(|target| target.since_ns);
    let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    ensure!(first > began_ns, "the clock was set");
    let seconds = |ns: u64| (ns - began_ns) as f64 / 1e9;
    Ok((seconds(first), seconds(last)))
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
