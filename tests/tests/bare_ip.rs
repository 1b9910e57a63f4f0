//! A device without a link layer, as tunnels are: its packets become Ethernet
//! frames with made-up addresses, and are else what the device carried.
//!
//! If this fails, a sensor sees nothing of a pod's VPN, or reads IP headers as
//! MAC addresses.

use std::net::UdpSocket;

use etherparse::{PacketBuilder, SlicedPacket};
use tap_common::Direction;
use tests::{CaptureFile, ClosingLines, DEADLINE, Residue, Running, TestNetns, podtap};
use tun_tap::{Iface, Mode};

const POD: [u8; 4] = [10, 97, 0, 1];
const FAR: [u8; 4] = [10, 97, 0, 2];
const ETHERNET_BYTES: usize = 14;

#[test]
#[ignore = "needs root"]
fn root_packets_of_a_tun_device_become_ethernet_frames() {
    let pod = TestNetns::new();
    let tun = pod
        .inside(|| Iface::without_packet_info("tun0", Mode::Tun))
        .expect("a tun device");
    pod.run("ip link set tun0 addrgenmode none");
    pod.run("ip address add 10.97.0.1/24 dev tun0");
    pod.run("ip link set tun0 up");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tun.pcapng");
    let mut command = podtap();
    command
        .arg("capture")
        .arg("--netns")
        .arg(pod.path())
        .args(["-i", "tun0", "-w"])
        .arg(&file);
    let capture = Running::start(&mut command, "capturing on tun0");

    let socket = pod
        .inside(|| UdpSocket::bind((std::net::Ipv4Addr::from(POD), 7000)))
        .expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a limit");
    socket
        .send_to(b"from the pod", (std::net::Ipv4Addr::from(FAR), 7001))
        .expect("to send");
    // What the kernel gives to the device is complete.
    let mut buffer = vec![0; 2000];
    let len = tun.recv(&mut buffer).expect("the packet");
    let sent = buffer[..len].to_vec();
    let mut received = Vec::new();
    PacketBuilder::ipv4(FAR, POD, 64)
        .udp(7001, 7000)
        .write(&mut received, b"to the pod")
        .expect("a packet");
    tun.send(&received).expect("to deliver");
    let mut payload = [0; 100];
    let (len, _) = socket.recv_from(&mut payload).expect("the datagram");
    assert_eq!(&payload[..len], b"to the pod");

    let (ended_well, log) = capture.interrupt();
    assert!(ended_well, "{log}");
    ClosingLines::parse(&log).assert_nothing_lost();
    let captured = CaptureFile::read(&file);
    for (direction, packet) in [(Direction::Out, &sent), (Direction::In, &received)] {
        let frames = captured.frames(direction);
        assert_eq!(frames.len(), 1, "{direction:?}: {frames:02x?}");
        let (ethernet, rest) = frames[0].split_at(ETHERNET_BYTES);
        assert_eq!(rest, packet, "{direction:?}");
        assert_eq!(ethernet[12..], [0x08, 0x00]);
        // Locally administered, of one station, and not the same one twice.
        let (to, from) = (&ethernet[..6], &ethernet[6..12]);
        assert!(
            to[0] & 3 == 2 && from[0] & 3 == 2 && to != from,
            "{ethernet:02x?}"
        );
        SlicedPacket::from_ethernet(frames[0]).expect("a frame");
    }
    let [out, back] = [Direction::Out, Direction::In].map(|way| captured.frames(way)[0]);
    assert_eq!(out[..6], back[6..12], "the far side is one station");
    assert_eq!(out[6..12], back[..6], "and so is the pod");
    drop(tun);
    Residue::assert_none(&[&pod]);
}
