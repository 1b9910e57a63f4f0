//! What happens to pods on a node, and what the agent makes of it: without a
//! cluster, by the real binary and a real kernel.
//!
//! If this fails, a hiccup of the API server is a hole in what the sensor
//! sees, or somebody else's pod is tapped.

mod identity;
mod life;
mod load;
mod trouble;

use tap_userspace::model::status::{Status, TargetStatus};
use tests::{ScriptedNode, ScriptedPod, eventually, udp_datagrams};

/// Datagrams in one go.
const DATAGRAMS: usize = 20;

/// What a status says of a pod's `eth0`.
fn target<'a>(status: &'a Status, pod: &ScriptedPod) -> &'a TargetStatus {
    let mut targets = status.targets.iter();
    targets
        .find(|target| target.uid == pod.uid)
        .unwrap_or_else(|| panic!("{} is not tapped: {status:?}", pod.name))
}

/// Sends some datagrams; panics unless the tap saw, and delivered, that the
/// pod sent so many.
fn expect_traffic_seen(node: &ScriptedNode, from: &ScriptedPod, to: &ScriptedPod) {
    let sent = |status: &Status| target(status, from).sent.verdicts["mirrored"].packets;
    let before = node.status();
    send(from, to);
    eventually("the datagrams are seen and delivered", || {
        let after = node.status();
        let is_seen = sent(&after) >= sent(&before) + DATAGRAMS as u64;
        let is_delivered =
            target(&after, from).delivered >= target(&before, from).delivered + DATAGRAMS as u64;
        (is_seen && is_delivered).then_some(())
    });
}

fn send(from: &ScriptedPod, to: &ScriptedPod) {
    let (from, to) = (&from.end, &to.end);
    udp_datagrams((from, from.ipv4), (to, to.ipv4), &[100; DATAGRAMS], None);
}
