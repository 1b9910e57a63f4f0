//! Traffic of a pod with another host, and what a capture must have of it.

use std::{collections::BTreeMap, net::IpAddr};

use etherparse::{Icmpv4Type, SlicedPacket, TransportSlice};
use sha2::{Digest as _, Sha256};
use tap_common::Direction;
use tests::{CaptureFile, Datagrams, Transfer, VethEnd, ping, tcp_transfer, udp_datagrams};

/// In super-frames where the path has them.
const TRANSFER_BYTES: usize = 400_000;
/// Each in a packet of its own.
const DATAGRAMS_BYTES: [usize; 4] = [0, 1, 100, 1400];
/// No two alike: a packet that is seen twice would be noticed.
const ECHOES_BYTES: [usize; 3] = [0, 56, 1400];
/// MTU 1500 and an Ethernet header.
const MAX_FRAME_BYTES: usize = 1500 + 14;

/// What a pod and another host sent each other; both have received all of it.
pub(crate) struct Exchange {
    transfers: Vec<(Direction, Transfer)>,
    datagrams: Vec<(Direction, Datagrams)>,
}

impl Exchange {
    /// Pings over IPv4; datagrams and connections over both IPv4 and IPv6;
    /// all of it in both directions.
    pub(crate) fn between(pod: &VethEnd, other: &VethEnd) -> Self {
        for len in ECHOES_BYTES {
            ping(pod, other, len);
            ping(other, pod, len);
        }
        let mut this = Self {
            transfers: Vec::new(),
            datagrams: Vec::new(),
        };
        for (pod_ip, other_ip) in [(pod.ipv4, other.ipv4), (pod.ipv6, other.ipv6)] {
            let (pod, other) = ((pod, pod_ip), (other, other_ip));
            this.send(Direction::Out, pod, other);
            this.send(Direction::In, other, pod);
        }
        this
    }

    fn send(&mut self, direction: Direction, from: (&VethEnd, IpAddr), to: (&VethEnd, IpAddr)) {
        let datagrams = udp_datagrams(from, to, &DATAGRAMS_BYTES, None);
        self.datagrams.push((direction, datagrams));
        let transfer = tcp_transfer(from, to, TRANSFER_BYTES);
        self.transfers.push((direction, transfer));
    }

    /// Panics unless the capture, which ran on the pod, has each packet of it
    /// once, the right way round.
    pub(crate) fn assert_captured(&self, file: &CaptureFile) {
        for packet in &file.packets {
            let len = packet.bytes.len();
            assert!(len <= MAX_FRAME_BYTES, "{len}");
            assert_eq!(len, packet.original_len, "cut short");
        }
        assert_echoes(file);
        for (direction, sent) in &self.datagrams {
            let lengths: Vec<_> = file
                .frames(*direction)
                .into_iter()
                .filter_map(|frame| datagram(frame, sent))
                .collect();
            assert_eq!(lengths, DATAGRAMS_BYTES, "{direction:?}: {sent:?}");
        }
        for (direction, transfer) in &self.transfers {
            let payload = one_way(file, *direction).payload_of(transfer);
            assert_eq!(payload.len(), TRANSFER_BYTES, "{transfer:?}");
            let sha256 = <[u8; 32]>::from(Sha256::digest(&payload));
            assert_eq!(sha256, transfer.sha256, "{transfer:?}");
        }
        assert_none_twice(file);
    }
}

/// The part of the capture that went this way.
fn one_way(file: &CaptureFile, direction: Direction) -> CaptureFile {
    let mut file = file.clone();
    file.packets.retain(|packet| packet.direction == direction);
    file
}

/// Requests and replies, each of its length and in its direction.
fn assert_echoes(file: &CaptureFile) {
    for direction in Direction::ALL {
        let mut requests = Vec::new();
        let mut replies = Vec::new();
        for frame in file.frames(direction) {
            let packet = SlicedPacket::from_ethernet(frame).expect("a frame");
            let Some(TransportSlice::Icmpv4(icmp)) = packet.transport else {
                continue;
            };
            match icmp.icmp_type() {
                Icmpv4Type::EchoRequest(_) => requests.push(icmp.payload().len()),
                Icmpv4Type::EchoReply(_) => replies.push(icmp.payload().len()),
                other => panic!("{direction:?}: {other:?}"),
            }
        }
        assert_eq!(requests, ECHOES_BYTES, "echo requests, {direction:?}");
        assert_eq!(replies, ECHOES_BYTES, "echo replies, {direction:?}");
    }
}

/// The length of a frame's datagram, if it is one of those.
fn datagram(frame: &[u8], sent: &Datagrams) -> Option<usize> {
    let packet = SlicedPacket::from_ethernet(frame).expect("a frame");
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        return None;
    };
    let ports = (udp.source_port(), udp.destination_port());
    (ports == (sent.from.port(), sent.to.port())).then(|| udp.payload().len())
}

/// An IPv4 host numbers the packets of a connection, so that no two are the
/// same (RFC 6864 section 4.1 would allow less; `ip_select_ident_segs` does
/// it for TCP).
fn assert_none_twice(file: &CaptureFile) {
    let mut seen = BTreeMap::<(u8, &[u8]), usize>::new();
    for packet in &file.packets {
        let sliced = SlicedPacket::from_ethernet(&packet.bytes).expect("a frame");
        let is_ipv4 = sliced
            .net
            .as_ref()
            .is_some_and(|net| net.ipv4_ref().is_some());
        if is_ipv4 && matches!(sliced.transport, Some(TransportSlice::Tcp(_))) {
            *seen
                .entry((packet.direction as u8, &packet.bytes))
                .or_default() += 1;
        }
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{} frames came twice", twice.len());
    assert!(
        seen.len() > 2 * TRANSFER_BYTES / MAX_FRAME_BYTES,
        "TCP frames"
    );
}
