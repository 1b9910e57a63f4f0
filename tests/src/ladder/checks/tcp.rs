//! Super-frames of real TCP connections come out as the frames of a wire.

use std::net::IpAddr;

use tap_userspace::adapter::bpf::Hook;
use tests::{Veth, frame, tcp_transfer};

use super::capture::Capture;
use crate::quiet;

const TRANSFER_BYTES: usize = 4_000_000;

pub(super) fn over_ipv4(hook: Hook) -> String {
    let veth = Veth::new();
    over(&veth, veth.pod.ipv4, veth.peer.ipv4, hook)
}

pub(super) fn over_ipv6(hook: Hook) -> String {
    let veth = Veth::new();
    over(&veth, veth.pod.ipv6, veth.peer.ipv6, hook)
}

/// One connection that sends and one that receives.
fn over(veth: &Veth, pod_ip: IpAddr, peer_ip: IpAddr, hook: Hook) -> String {
    let capture = Capture::start(veth, hook);
    let before = capture.read();
    let (pod, peer) = ((&veth.pod, pod_ip), (&veth.peer, peer_ip));
    let sent = tcp_transfer(pod, peer, TRANSFER_BYTES);
    let received = tcp_transfer(peer, pod, TRANSFER_BYTES);
    let after = capture.read();
    let carried = quiet::assert_same(&before, &after);
    let captured = capture.finish();
    assert!(
        captured.counts.super_frames > 0,
        "no super-frame: {:?}",
        captured.counts
    );
    let frames = frame::assert_wire_true(&captured.frames);
    frame::assert_carries(&captured.frames, &sent);
    frame::assert_carries(&captured.frames, &received);
    format!(
        "{carried} skbs as the interface counted, {} super-frames, {frames} frames",
        captured.counts.super_frames
    )
}
