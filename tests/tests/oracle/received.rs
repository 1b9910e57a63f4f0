//! Super-frames that the kernel made of received packets (GRO) become those
//! packets again.
//!
//! The tapped device puts together what a device without offloads sends it.
//! podtap sits behind that (`napi_gro_receive`, then tc at ingress); a packet
//! socket at the sender reads what went onto the cable.

use std::{net::IpAddr, net::UdpSocket};

use nix::sys::socket::{setsockopt, sockopt};
use tap_common::{Direction, Metadata};
use tap_userspace::engine::framer::FramerCounts;
use tests::{
    Random, Veth,
    offloads::{self, Feature},
};

use crate::{
    fields,
    machine::{dropped, stay_on_one_processor},
    marker::Marker,
    sockets,
    stage::Both,
    tap::{RUNGS, Tap},
    vnet::{VnetHeader, VnetSocket},
    wire::{Passing, read_until},
};

/// How often is tried to send without the receiver's queue overflowing.
const ATTEMPTS: u64 = 5;

#[test]
#[ignore = "needs root"]
fn root_received_tcp_over_ipv4_is_as_it_was_sent() {
    let counts = compare(|veth, random| {
        sockets::tcp(&veth.peer, &veth.pod, veth.pod.ipv4, random);
    });
    assert!(counts.super_frames > 50, "{counts:?}");
}

#[test]
#[ignore = "needs root"]
fn root_received_tcp_over_ipv6_is_as_it_was_sent() {
    let counts = compare(|veth, random| {
        sockets::tcp(&veth.peer, &veth.pod, veth.pod.ipv6, random);
    });
    assert!(counts.super_frames > 50, "{counts:?}");
}

#[test]
#[ignore = "needs root"]
fn root_received_udp_over_ipv4_is_as_it_was_sent() {
    let counts = compare(|veth, random| udp(veth, (veth.peer.ipv4, veth.pod.ipv4), random));
    assert!(counts.super_frames > 50, "{counts:?}");
}

#[test]
#[ignore = "needs root"]
fn root_received_udp_over_ipv6_is_as_it_was_sent() {
    let counts = compare(|veth, random| udp(veth, (veth.peer.ipv6, veth.pod.ipv6), random));
    assert!(counts.super_frames > 50, "{counts:?}");
}

/// To a socket that wants its datagrams put together (`UDP_GRO`).
fn udp(veth: &Veth, (from, to): (IpAddr, IpAddr), random: &mut Random) {
    let inbox = veth
        .pod
        .netns
        .inside(|| UdpSocket::bind((to, 0)))
        .expect("a UDP socket");
    setsockopt(&inbox, sockopt::UdpGroSegment, &true).expect("UDP GRO");
    let to = inbox.local_addr().expect("its address");
    sockets::udp(&veth.peer, from, to, random);
}

/// Panics unless what podtap delivers is what was on the cable, however it asks.
fn compare(send: impl Fn(&Veth, &mut Random)) -> FramerCounts {
    let mut counts = FramerCounts::default();
    for metadata in RUNGS {
        counts = compare_on(Veth::new(), metadata, &send);
    }
    counts
}

/// The same on a cable that is there, asking one way.
pub(crate) fn compare_on(
    veth: Veth,
    metadata: Metadata,
    send: impl Fn(&Veth, &mut Random),
) -> FramerCounts {
    let seed = Random::seed();
    let put_together = || offloads::set("eth0", Feature::Gro, true);
    veth.pod.netns.inside(put_together).expect("GRO");
    let sender = veth.peer.netns.inside(|| {
        offloads::none_for_sending("eth0")?;
        VnetSocket::open(veth.peer.link().index)
    });
    let sender = sender.expect("a device without offloads");
    let tap = Tap::start(&veth.pod, Direction::In, metadata);
    let wire = veth.peer.packet_socket();
    stay_on_one_processor();
    let gather = |marker| {
        sender
            .send(VnetHeader::default(), &Marker::frame(marker))
            .expect("to send the marker");
        Both {
            kernels: read_until(&wire, marker, Passing::Out),
            ours: tap.take_until(marker),
        }
    };
    // What one of the two saw before the other was there.
    gather(Marker(0));
    let mut random = Random::of_case(seed, 0);
    let mut attempt = 0;
    let mut both = loop {
        attempt += 1;
        let before = dropped(&veth.peer.netns);
        send(&veth, &mut random);
        let both = gather(Marker(attempt));
        if attempt == ATTEMPTS || dropped(&veth.peer.netns) == before {
            break both;
        }
    };
    let counts = tap.finish().counts;
    eprintln!(
        "SEED={seed}, {metadata:?}: {} frames, attempt {attempt}; {counts:?}",
        both.ours.len()
    );
    for frame in both.ours.iter_mut().chain(&mut both.kernels) {
        fields::one_zero(frame);
    }
    if let Some(difference) = both.difference() {
        panic!("SEED={seed}, {metadata:?}: {difference}");
    }
    counts
}
