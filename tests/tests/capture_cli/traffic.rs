//! What a pod sends, and the capture that is to have it.

use std::process::Stdio;

use tests::{CAPTURING, Running, Transfer, Veth, capture_of, tcp_transfer};

pub(crate) const TRANSFER_BYTES: usize = 500_000;
/// What the frame says that is sent after all others.
pub(crate) const LAST: &str = "the last frame";

/// The pod sends.
pub(crate) fn transfer(veth: &Veth) -> Transfer {
    tcp_transfer(
        (&veth.pod, veth.pod.ipv4),
        (&veth.peer, veth.peer.ipv4),
        TRANSFER_BYTES,
    )
}

/// A capture to standard output, which is a pipe.
pub(crate) fn stream(veth: &Veth, arguments: &[&str]) -> Running {
    let mut command = capture_of(&veth.pod);
    command.args(["-w", "-"]).args(arguments);
    Running::start(command.stdout(Stdio::piped()), CAPTURING)
}
