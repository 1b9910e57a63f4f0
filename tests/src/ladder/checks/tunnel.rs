//! What a pod sends through a tunnel device of its own comes out as the kernel
//! cuts and completes it for a device without offloads: byte for byte, read at
//! the other end of the cable.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use futures::TryStreamExt as _;
use rtnetlink::{
    Handle, LinkGeneve, LinkGre, LinkIp6Tnl, LinkIpIp, LinkSit, new_connection,
    packet_route::{
        IpProtocol,
        link::{GreIOFlags, LinkMessage},
    },
};
use tap_common::Direction;
use tap_userspace::adapter::bpf::Hook;
use tests::{PacketSocket, Veth, VethEnd, offloads, tcp_transfer};

use super::capture::Capture;

/// So few that no queue on the way can overflow: it holds 1,000 packets.
const TRANSFER_BYTES: usize = 700_000;

/// How long the cable is quiet when everything has been read.
const QUIET: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug)]
pub(super) enum Tunnel {
    Gre,
    GreChecksum,
    GreTap,
    IpIp,
    Sit,
    Ip6Ip6,
    Ip4Ip6,
    Geneve,
    GeneveChecksum,
}

impl Tunnel {
    pub(super) const ALL: [(&'static str, Self); 9] = [
        ("GRE", Self::Gre),
        ("GRE with a checksum and a key", Self::GreChecksum),
        ("GRETAP", Self::GreTap),
        ("IPIP", Self::IpIp),
        ("SIT", Self::Sit),
        ("IPv6 in IPv6", Self::Ip6Ip6),
        ("IPv4 in IPv6", Self::Ip4Ip6),
        ("Geneve", Self::Geneve),
        ("Geneve with a checksum", Self::GeneveChecksum),
    ];

    /// The device that is one end of it.
    fn device(self, from: &VethEnd, to: &VethEnd) -> LinkMessage {
        const NAME: &str = "tunnel";
        const TTL: u8 = 64;
        let (local, remote) = (v4(from.ipv4), v4(to.ipv4));
        let (local6, remote6) = (v6(from.ipv6), v6(to.ipv6));
        let six = |protocol| {
            LinkIp6Tnl::new(NAME)
                .local(local6)
                .remote(remote6)
                .mode(protocol)
                .ttl(TTL)
        };
        let geneve = LinkGeneve::new(NAME, 77).remote(remote).ttl(TTL).up();
        match self {
            Self::Gre => LinkGre::new(NAME)
                .local(local)
                .remote(remote)
                .ttl(TTL)
                .up()
                .build(),
            Self::GreChecksum => LinkGre::new(NAME)
                .local(local)
                .remote(remote)
                .ttl(TTL)
                .iflags(GreIOFlags::Checksum | GreIOFlags::Key)
                .oflags(GreIOFlags::Checksum | GreIOFlags::Key)
                .ikey(0x0102_0304)
                .okey(0x0102_0304)
                .up()
                .build(),
            Self::GreTap => LinkGre::new_gretap(NAME)
                .local(local)
                .remote(remote)
                .ttl(TTL)
                .up()
                .build(),
            Self::IpIp => LinkIpIp::new(NAME)
                .local(local)
                .remote(remote)
                .ttl(TTL)
                .up()
                .build(),
            Self::Sit => LinkSit::new(NAME)
                .local(local)
                .remote(remote)
                .ttl(TTL)
                .up()
                .build(),
            Self::Ip6Ip6 => six(IpProtocol::Ipv6).up().build(),
            Self::Ip4Ip6 => six(IpProtocol::Ipip).up().build(),
            Self::Geneve => geneve.udp_csum(false).build(),
            Self::GeneveChecksum => geneve.udp_csum(true).build(),
        }
    }

    /// The inner address of an end.
    fn address(self, host: u8) -> IpAddr {
        match self {
            Self::Sit | Self::Ip6Ip6 => Ipv6Addr::new(0xfd97, 0, 0, 0, 0, 0, 0, host.into()).into(),
            _ => Ipv4Addr::new(10, 97, 0, host).into(),
        }
    }

    /// TCP through it, both ways.
    pub(super) fn check(self) -> String {
        let veth = Veth::new();
        let ends = [(&veth.pod, &veth.peer, 1), (&veth.peer, &veth.pod, 2)];
        let [pod_ip, peer_ip] = ends.map(|(from, to, host)| self.dig(from, to, host));
        veth.pod
            .netns
            .inside(|| offloads::none_for_sending("eth0"))
            .expect("a device without offloads");
        let wire = veth.peer.packet_socket();
        let capture = Capture::start(&veth, Hook::Clsact);
        let (pod, peer) = ((&veth.pod, pod_ip), (&veth.peer, peer_ip));
        tcp_transfer(pod, peer, TRANSFER_BYTES);
        tcp_transfer(peer, pod, TRANSFER_BYTES);
        capture.read();
        let captured = capture.finish();
        assert!(captured.counts.tunnel > 0, "{:?}", captured.counts);
        let frames = assert_as_on_the_wire(&captured.frames, &wire);
        format!(
            "{} super-frames, {frames} frames the same",
            captured.counts.tunnel
        )
    }

    /// Makes one end; returns its inner address.
    fn dig(self, from: &VethEnd, to: &VethEnd, host: u8) -> IpAddr {
        let address = self.address(host);
        let device = self.device(from, to);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime");
        let work = async move {
            let (connection, handle, _) = new_connection()?;
            tokio::spawn(connection);
            add(&handle, device, address).await
        };
        from.netns
            .inside(|| runtime.block_on(work))
            .expect("a tunnel device");
        address
    }
}

async fn add(handle: &Handle, device: LinkMessage, address: IpAddr) -> anyhow::Result<()> {
    handle.link().add(device).execute().await?;
    let mut links = handle.link().get().match_name("tunnel").execute();
    let link = links.try_next().await?.expect("the new device");
    let prefix = if address.is_ipv4() { 24 } else { 64 };
    let index = link.header.index;
    handle
        .address()
        .add(index, address, prefix)
        .execute()
        .await?;
    Ok(())
}

/// Panics unless what podtap made of the pod's packets is what the other end of
/// the cable got. In any order: two processors have none. Returns how many
/// frames they are.
pub(super) fn assert_as_on_the_wire(
    captured: &[(Direction, Vec<u8>)],
    wire: &PacketSocket,
) -> usize {
    let mut kernels = Vec::new();
    while let Some(received) = wire.receive_packet(QUIET).expect("to receive") {
        if !received.is_outgoing && is_to_one(&received.frame) {
            kernels.push(received.frame);
        }
    }
    let mut ours: Vec<Vec<u8>> = captured
        .iter()
        .filter(|(direction, frame)| *direction == Direction::Out && is_to_one(frame))
        .map(|(_, frame)| frame.clone())
        .collect();
    ours.sort();
    kernels.sort();
    let counts = (ours.len(), kernels.len());
    if let Some((ours, kernels)) = ours.iter().zip(&kernels).find(|(a, b)| a != b) {
        let at = ours.iter().zip(kernels).position(|(a, b)| a != b);
        let start = |frame: &[u8]| format!("{:02x?}", frame.get(..160).unwrap_or(frame));
        panic!(
            "{counts:?} frames, differ at {at:?}: ours {} the kernel's {}",
            start(ours),
            start(kernels)
        );
    }
    assert_eq!(counts.0, counts.1, "frames of podtap, and the kernel's");
    counts.0
}

/// Whether it is to a single station (IEEE 802 section 8.2). A host speaks to
/// groups by itself, when one of the two sides may not be listening yet.
fn is_to_one(frame: &[u8]) -> bool {
    frame.first().is_some_and(|byte| byte & 1 == 0)
}

fn v4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => unreachable!("an IPv4 address"),
    }
}

fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V6(address) => address,
        IpAddr::V4(_) => unreachable!("an IPv6 address"),
    }
}
