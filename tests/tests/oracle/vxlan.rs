//! Real VXLAN devices on the cable: what is in their tunnels is cut inside
//! super-frames with outer headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tap_common::Metadata;
use tests::Veth;

use crate::{received, sent::compare, sockets, stage::Stage, tap::RUNGS};

/// Of the cable: room for a whole packet in a tunnel.
const MTU: u32 = 1600;
/// Of the tunnel.
const INNER_MTU: u32 = 1500;

/// The port of VXLAN, and one that is none's.
const PORTS: [u16; 2] = [4789, 23_456];

/// A tunnel between the two ends of a cable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vxlan {
    pub(crate) outer_v6: bool,
    pub(crate) checksum: bool,
    pub(crate) port: u16,
}

impl Vxlan {
    /// The tunnels of which podtap knows enough, when it asks this way.
    fn all(metadata: Metadata) -> impl Iterator<Item = Self> {
        let ports = match metadata {
            // Of an ordinary packet, no more is known than its port.
            Metadata::Helpers | Metadata::ProbeReads => &PORTS[..1],
            Metadata::Kfuncs => &PORTS,
        };
        ports.iter().flat_map(|port| {
            [(false, false), (false, true), (true, false), (true, true)].map(
                |(outer_v6, checksum)| Self {
                    outer_v6,
                    checksum,
                    port: *port,
                },
            )
        })
    }

    /// Makes its two ends.
    pub(crate) fn dig(self, veth: &Veth) {
        let address = |end: &tests::VethEnd| if self.outer_v6 { end.ipv6 } else { end.ipv4 };
        let checksum = match (self.outer_v6, self.checksum) {
            (false, false) => "noudpcsum",
            (false, true) => "udpcsum",
            (true, false) => "udp6zerocsumtx udp6zerocsumrx",
            (true, true) => "noudp6zerocsumtx noudp6zerocsumrx",
        };
        for (from, to, host) in [(&veth.pod, &veth.peer, 1), (&veth.peer, &veth.pod, 2)] {
            let (local, remote, port) = (address(from), address(to), self.port);
            for command in [
                format!("ip link set eth0 mtu {MTU}"),
                format!(
                    "ip link add vx0 mtu {INNER_MTU} type vxlan id 77 local {local} \
                     remote {remote} dstport {port} dev eth0 {checksum}"
                ),
                format!("ip addr add 10.97.0.{host}/24 dev vx0"),
                format!("ip addr add fd97::{host}/64 dev vx0 nodad"),
                "ip link set vx0 up".to_owned(),
            ] {
                from.netns.run(&command);
            }
        }
    }
}

/// The inner address of an end.
fn inner(v6: bool, host: u8) -> IpAddr {
    if v6 {
        Ipv6Addr::new(0xfd97, 0, 0, 0, 0, 0, 0, host.into()).into()
    } else {
        Ipv4Addr::new(10, 97, 0, host).into()
    }
}

#[test]
#[ignore = "needs root"]
fn root_tcp_in_vxlan_becomes_the_kernels_frames() {
    for metadata in RUNGS {
        for (tunnel, inner_v6) in
            Vxlan::all(metadata).zip([false, true, true, false].iter().cycle())
        {
            let stage = Stage::for_sockets(metadata);
            tunnel.dig(stage.veth());
            eprintln!("{tunnel:?}, inner_v6: {inner_v6}");
            let counts = compare(stage, metadata, |stage, random| {
                let veth = stage.veth();
                sockets::tcp(&veth.pod, &veth.peer, inner(*inner_v6, 2), random);
            });
            assert!(counts.tunnel > 50, "{counts:?}");
            assert!(counts.checksums_completed > 0, "{counts:?}");
        }
    }
}

#[test]
#[ignore = "needs root"]
fn root_udp_gso_in_vxlan_becomes_the_kernels_frames() {
    for metadata in RUNGS {
        for (tunnel, inner_v6) in Vxlan::all(metadata).zip([true, false].iter().cycle()) {
            let stage = Stage::for_sockets(metadata);
            tunnel.dig(stage.veth());
            eprintln!("{tunnel:?}, inner_v6: {inner_v6}");
            let counts = compare(stage, metadata, |stage, random| {
                let to = SocketAddr::new(inner(*inner_v6, 2), 9);
                sockets::udp(&stage.veth().pod, inner(*inner_v6, 1), to, random);
            });
            assert!(counts.tunnel > 100, "{counts:?}");
        }
    }
}

#[test]
#[ignore = "needs root"]
fn root_received_tcp_in_vxlan_is_as_it_was_sent() {
    for metadata in RUNGS {
        for (tunnel, inner_v6) in
            Vxlan::all(metadata).zip([false, true, true, false].iter().cycle())
        {
            let veth = Veth::new();
            tunnel.dig(&veth);
            eprintln!("{tunnel:?}, inner_v6: {inner_v6}");
            let counts = received::compare_on(veth, metadata, |veth, random| {
                sockets::tcp(&veth.peer, &veth.pod, inner(*inner_v6, 1), random);
            });
            assert!(counts.tunnel > 50, "{counts:?}");
        }
    }
}
