//! BIG TCP: super-frames over 64 KiB, with a jumbo header over IPv6 on kernels
//! that make one (RFC 2675). They are read with a packet socket that says of
//! each what the kernel knows, in front of a device without offloads, and cut
//! here as well.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    libc,
    sys::socket::{MsgFlags, recv, setsockopt, sockopt},
};
use tap_common::{Direction, LinkLayer};
use tap_userspace::{
    adapter::link::Links,
    engine::{
        decode::Record,
        framer::{Framer, FramerCounts},
        offload::{GsoType, SkbChecksum},
    },
    model::{Segment, TargetId},
};
use tests::{
    PacketSocket, Random, Veth, offloads,
    packet_socket::{bind_to, unbound},
};

use crate::{
    bridge::bridge,
    machine::{dropped, stay_on_one_processor},
    sockets,
    stage::Both,
    vnet::{Gso, HEADER_BYTES, NEEDS_CSUM},
};

const MTU: u32 = 1500;
/// What the sender's device lets a super-frame be.
const GSO_MAX_BYTES: u32 = 190_000;
/// What fits without BIG TCP.
const LEGACY_MAX_BYTES: usize = 65_536 + 14;
const ATTEMPTS: u32 = 5;

#[test]
#[ignore = "needs root"]
fn root_big_tcp_over_ipv6_becomes_the_kernels_frames() {
    let seed = Random::seed();
    stay_on_one_processor();
    for attempt in 1.. {
        let veth = Veth::new();
        let before = before_the_bridge(&veth);
        let wire = veth.peer.packet_socket();
        let mut random = Random::of_case(seed, attempt.into());
        sockets::tcp(&veth.pod, &veth.peer, veth.peer.ipv6, &mut random);
        let is_whole = dropped(&veth.pod.netns) == 0;
        let (both, longest, counts) = frames(&before, &wire);
        eprintln!("SEED={seed}: longest {longest}, {counts:?}");
        let difference = both.difference();
        if difference.is_some() && !is_whole && attempt < ATTEMPTS {
            continue;
        }
        assert!(longest > LEGACY_MAX_BYTES, "no BIG TCP: {longest} bytes");
        assert_eq!(counts.left_out(), 0, "{counts:?}");
        assert_eq!(difference, None);
        return;
    }
}

/// Moves the pod's address to a device that sends longer super-frames, through
/// a bridge to its `eth0` without offloads. Returns a socket on the bridge's
/// port.
fn before_the_bridge(veth: &Veth) -> OwnedFd {
    let pod = &veth.pod.netns;
    bridge(pod, MTU);
    pod.inside(|| offloads::none_for_sending("eth0"))
        .expect("a device without offloads");
    for command in [
        "ip addr flush dev eth0".to_owned(),
        format!("ip link set in0 gso_max_size {GSO_MAX_BYTES}"),
        format!("ip addr add {}/64 dev in0 nodad", veth.pod.ipv6),
    ] {
        pod.run(&command);
    }
    pod.inside(|| {
        let port = Links::open()
            .and_then(|links| links.by_name("port0"))
            .expect("the bridge's port");
        let socket = unbound(libc::PACKET_VNET_HDR)?;
        setsockopt(&socket, sockopt::RcvBufForce, &(256 << 20))?;
        bind_to(&socket, port.index, libc::ETH_P_ALL as u16)?;
        io::Result::Ok(socket)
    })
    .expect("a packet socket")
}

/// What came to the bridge as podtap's frames, and what went out of it; in any
/// order. Beside them the longest packet that came, and what was counted.
fn frames(before: &OwnedFd, wire: &PacketSocket) -> (Both, usize, FramerCounts) {
    let mut framer = Framer::new();
    let mut ours = Vec::new();
    let mut longest = 0;
    let mut message = vec![0; 1 << 19];
    while let Ok(len) = recv(before.as_raw_fd(), &mut message, MsgFlags::MSG_DONTWAIT) {
        let (header, frame) = message[..len].split_at(HEADER_BYTES);
        longest = longest.max(frame.len());
        framer.frames(&record(header, frame), Segment::Wire, |bytes| {
            ours.push([bytes.head, bytes.payload].concat());
        });
    }
    let mut kernels = Vec::new();
    while let Some(received) = wire
        .receive_packet(std::time::Duration::from_millis(100))
        .expect("to receive")
    {
        if !received.is_outgoing {
            kernels.push(received.frame);
        }
    }
    // Those to the peer alone: the port also passes what comes from it, and a
    // host speaks to groups by itself, when one side may not listen yet.
    kernels.retain(|frame| frame[0] & 1 == 0);
    let to_peer = kernels.first().map(|frame| frame[..6].to_vec());
    ours.retain(|frame| Some(&frame[..6]) == to_peer.as_deref());
    for frames in [&mut ours, &mut kernels] {
        frames.sort();
    }
    (Both { ours, kernels }, longest, *framer.counts())
}

/// What the kernel says of a packet (include/uapi/linux/virtio_net.h).
fn record<'a>(header: &[u8], frame: &'a [u8]) -> Record<'a> {
    let field = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
    let start = usize::from(field(6));
    let gso = header[1] & !0x80;
    Record {
        timestamp_ns: 0,
        target_id: TargetId(1),
        direction: Direction::Out,
        link_layer: LinkLayer::Ethernet,
        skb_len: frame.len() as u32,
        gso_size: if gso == 0 { 0 } else { field(4).into() },
        gso_type: (gso != 0).then_some(if gso == Gso::TcpV6 as u8 {
            GsoType::TCPV6
        } else {
            GsoType::OTHER
        }),
        checksum: if header[0] & NEEDS_CSUM == 0 {
            SkbChecksum::Final
        } else {
            SkbChecksum::Partial {
                start,
                field: start + usize::from(field(8)),
            }
        },
        inner_network_at: None,
        vlan: None,
        protocol: u16::from_be_bytes([frame[12], frame[13]]),
        data: frame,
    }
}
