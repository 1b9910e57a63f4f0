//! How soon a pod is tapped after somebody asked for it, or after it could be.

use std::{
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tests::{
    DEADLINE, PacketSocket, Random, ScriptedNode, ScriptedPod, eventually, pause,
    scripted_node::TAP,
};

use crate::{figures::Figures, start::now_ns};

/// Between two datagrams of the pod: what the first frame waits for by itself.
const PAUSE: Duration = Duration::from_millis(1);
/// After its birth a pod has a network within so many milliseconds.
const CONNECTED_WITHIN_MS: (usize, usize) = (100, 2000);

/// One pod after the other.
pub(crate) fn measure(node: &ScriptedNode, tries: usize, figures: &mut Figures) -> Result<()> {
    let agent = node.start(&mut node.agent());
    node.wait_for_watches();
    let tap = node.netns.link(TAP).context("no tap")?.index;
    let sensor = node.netns.inside(|| PacketSocket::open(tap))?;
    let pod = node.pod("labelled");
    node.wait_for_carrier(&pod);
    for _ in 0..tries {
        let (enabled_ms, frame_ms) = label(node, &pod, &sensor)?;
        figures.add("label to enabled, ms", enabled_ms);
        figures.add("label to the first frame on the tap, ms", frame_ms);
    }
    node.api.remove("pods", &pod.name);
    drop(pod);
    let mut random = Random::of_case(0, 0);
    for number in 0..tries {
        let wait_ms = random.between(CONNECTED_WITHIN_MS.0, CONNECTED_WITHIN_MS.1);
        let tapped_ms = birth(node, number, Duration::from_millis(wait_ms as u64));
        figures.add(
            "interface to enabled, of a pod born labelled, ms",
            tapped_ms,
        );
    }
    drop(node.end(agent));
    Ok(())
}

/// Labels a pod that sends all the time, and takes the label away again.
fn label(node: &ScriptedNode, pod: &ScriptedPod, sensor: &PacketSocket) -> Result<(f64, f64)> {
    node.api.put("pods", pod.unlabelled());
    node.wait_for_tapped(&[]);
    while sensor.receive(Duration::from_millis(5))?.is_some() {}
    let sender = pod.end.netns.inside(|| UdpSocket::bind("0.0.0.0:0"))?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = sender.send_to(&[0x55; 64], "10.99.0.1:9");
                pause(PAUSE);
            }
        });
        let began_ns = now_ns();
        node.api.put("pods", pod.labelled());
        let frame = sensor.receive(DEADLINE);
        let seen_ns = now_ns();
        is_over.store(true, Ordering::Relaxed);
        frame?.context("no frame came")?;
        let status = node.wait_for_tapped(&[pod]);
        let since_ns = status.targets.first().context("no target")?.since_ns;
        Ok((ms(began_ns, since_ns), ms(began_ns, seen_ns)))
    })
}

/// A pod is known, and labelled, before it has an interface; nobody tells the
/// agent when it has.
fn birth(node: &ScriptedNode, number: usize, wait: Duration) -> f64 {
    let pod = node.unconnected_pod(&format!("born-{number}"));
    node.api.put("pods", pod.labelled());
    pause(wait);
    node.connect(&pod);
    let began_ns = now_ns();
    let since_ns = eventually("it is tapped", || {
        let status = node.try_status()?;
        status.targets.first().map(|target| target.since_ns)
    });
    node.api.remove("pods", &pod.name);
    drop(pod);
    node.wait_for_tapped(&[]);
    ms(began_ns, since_ns)
}

fn ms(from_ns: u64, to_ns: u64) -> f64 {
    to_ns.saturating_sub(from_ns) as f64 / 1e6
}
