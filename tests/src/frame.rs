//! Judges frames with a parser that knows nothing of podtap.

use crate::{Frames, Transfer, tcp_stream};
use etherparse::{LinkExtSlice, NetSlice, SlicedPacket, TransportSlice};
use sha2::{Digest as _, Sha256};

/// The MTU of a veth, and an Ethernet header.
const MAX_FRAME_BYTES: usize = 1500 + 14;
const VLAN_TAG_BYTES: usize = 4;

/// Panics unless each frame is whole, at most an MTU long, and has checksums
/// that hold. Returns how many they are.
pub fn assert_wire_true(frames: &Frames) -> usize {
    for (direction, bytes) in frames {
        let frame = parse(bytes);
        let most = MAX_FRAME_BYTES + VLAN_TAG_BYTES * frame.link_exts.len();
        assert!(bytes.len() <= most, "a frame of {} bytes", bytes.len());
        if let Some(wrong) = wrong_checksum(&frame) {
            let headers = bytes.get(..96).unwrap_or(bytes);
            panic!(
                "{direction:?}: {wrong} in {} bytes: {headers:02x?}",
                bytes.len()
            );
        }
    }
    frames.len()
}

/// Puts the sender's bytes together from the frames; panics unless they are
/// those that were sent.
pub fn assert_carries(frames: &Frames, transfer: &Transfer) {
    let payload = tcp_stream::payload(frames.iter().map(|(_, bytes)| &bytes[..]), transfer);
    let sha256 = <[u8; 32]>::from(Sha256::digest(&payload));
    assert_eq!(
        sha256, transfer.sha256,
        "the frames carry other bytes than were sent"
    );
}

/// The VLAN identifier of a frame with one tag.
pub fn vlan_id(bytes: &[u8]) -> Option<u16> {
    match parse(bytes).link_exts.as_slice() {
        [LinkExtSlice::Vlan(tag)] => Some(tag.vlan_identifier().value()),
        _ => None,
    }
}

/// The frame's headers; panics if it is none.
pub(crate) fn parse(bytes: &[u8]) -> SlicedPacket<'_> {
    SlicedPacket::from_ethernet(bytes)
        .unwrap_or_else(|error| panic!("no frame: {error}: {bytes:02x?}"))
}

fn wrong_checksum(frame: &SlicedPacket<'_>) -> Option<String> {
    let (transport, right) = match (&frame.net, &frame.transport) {
        (Some(NetSlice::Ipv4(ip)), transport) => {
            let header = ip.header().to_header();
            if header.header_checksum != header.calc_header_checksum() {
                return Some("a wrong IPv4 header checksum".into());
            }
            let (from, to) = (header.source, header.destination);
            match transport {
                Some(TransportSlice::Tcp(tcp)) => {
                    (tcp.checksum(), tcp.calc_checksum_ipv4(from, to).ok()?)
                }
                _ => return None,
            }
        }
        (Some(NetSlice::Ipv6(ip)), transport) => {
            let header = ip.header().to_header();
            let (from, to) = (header.source, header.destination);
            match transport {
                Some(TransportSlice::Tcp(tcp)) => {
                    (tcp.checksum(), tcp.calc_checksum_ipv6(from, to).ok()?)
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    // In ones' complement both are zero, and every receiver takes both; where
    // the kernel writes which of them is for the tests against the kernel.
    let both_zero = [transport, right]
        .iter()
        .all(|sum| [0, 0xffff].contains(sum));
    let wrong = transport != right && !both_zero;
    wrong.then(|| format!("TCP checksum {transport:#06x}, not {right:#06x},"))
}
