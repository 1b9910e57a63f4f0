//! Real sockets of a tapped pod send, and the kernel cuts for a device that
//! cannot.

use std::net::{IpAddr, SocketAddr};

use tap_common::Metadata;
use tap_userspace::engine::framer::FramerCounts;

use tests::Random;

use crate::{
    sockets,
    stage::{Both, Stage},
    tap::RUNGS,
};

/// How often is tried to send without the receiver's backlog overflowing.
const ATTEMPTS: u32 = 5;

#[derive(Clone, Copy, Debug)]
enum Version {
    V4,
    V6,
}

#[test]
#[ignore = "needs root"]
fn root_a_tcp_connection_over_ipv4_becomes_the_kernels_frames() {
    tcp(Version::V4);
}

#[test]
#[ignore = "needs root"]
fn root_a_tcp_connection_over_ipv6_becomes_the_kernels_frames() {
    tcp(Version::V6);
}

#[test]
#[ignore = "needs root"]
fn root_udp_gso_over_ipv4_becomes_the_kernels_frames() {
    udp(Version::V4);
}

#[test]
#[ignore = "needs root"]
fn root_udp_gso_over_ipv6_becomes_the_kernels_frames() {
    udp(Version::V6);
}

fn tcp(version: Version) {
    for metadata in RUNGS {
        let stage = Stage::for_sockets(metadata);
        let counts = compare(stage, metadata, |stage, random| {
            let veth = stage.veth();
            let (_, to) = version.addresses(stage);
            sockets::tcp(&veth.pod, &veth.peer, to, random);
        });
        assert!(counts.super_frames > 50, "{counts:?}");
    }
}

fn udp(version: Version) {
    for metadata in RUNGS {
        let stage = Stage::for_sockets(metadata);
        let counts = compare(stage, metadata, |stage, random| {
            let (from, to) = version.addresses(stage);
            // Discard (RFC 863): nobody is there.
            let to = SocketAddr::new(to, 9);
            sockets::udp(&stage.veth().pod, from, to, random);
        });
        assert!(counts.super_frames > 100, "{counts:?}");
    }
}

/// Panics unless both lists of frames are the same.
pub(crate) fn compare(
    mut stage: Stage,
    metadata: Metadata,
    send: impl Fn(&Stage, &mut Random),
) -> FramerCounts {
    let seed = Random::seed();
    let mut random = Random::of_case(seed, 0);
    let mut attempts = 0;
    let both = loop {
        attempts += 1;
        send(&stage, &mut random);
        let both: Both = stage.gather();
        if attempts == ATTEMPTS || !stage.has_dropped() {
            break both;
        }
    };
    let counts = stage.finish();
    eprintln!(
        "SEED={seed}, {metadata:?}: {} frames, attempt {attempts}; {counts:?}",
        both.ours.len()
    );
    if let Some(difference) = both.difference() {
        panic!("SEED={seed}, {metadata:?}: {difference}");
    }
    counts
}

impl Version {
    /// Of the pod and of its peer.
    fn addresses(self, stage: &Stage) -> (IpAddr, IpAddr) {
        let veth = stage.veth();
        match self {
            Self::V4 => (veth.pod.ipv4, veth.peer.ipv4),
            Self::V6 => (veth.pod.ipv6, veth.peer.ipv6),
        }
    }
}
