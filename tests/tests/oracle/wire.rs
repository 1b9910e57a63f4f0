//! What passes on the cable, read by a packet socket at one of its ends.

use tests::{DEADLINE, PacketSocket};

use crate::marker::Marker;

/// On which way a frame was when the socket saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    /// It came in from the other end.
    In,
    /// It went out to the other end: seen behind `validate_xmit_skb`.
    Out,
}

/// All frames of that way up to the marker.
pub(crate) fn read_until(wire: &PacketSocket, marker: Marker, passing: Passing) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    loop {
        let received = wire
            .receive_packet(DEADLINE)
            .expect("to receive")
            .unwrap_or_else(|| panic!("the wire never carried {marker:?}"));
        if received.is_outgoing != (passing == Passing::Out) {
            continue;
        }
        if marker.is(&received.frame) {
            return frames;
        }
        frames.push(received.frame);
    }
}
