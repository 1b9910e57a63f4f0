//! The loopback interface carries what a pod's containers say to each other,
//! to a sidecar proxy above all: each packet is there once.
//!
//! If this fails, a sensor sees each of them twice, or no sidecar traffic.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
};

use etherparse::{SlicedPacket, TransportSlice};
use tap_common::Direction;
use tests::{CaptureFile, ClosingLines, Residue, Running, TestNetns, podtap};

/// More than one super-frame of loopback's MTU.
const BYTES: usize = 300_000;

#[test]
#[ignore = "needs root"]
fn root_each_loopback_packet_is_captured_once() {
    let pod = TestNetns::new();
    pod.run("ip link set lo up");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lo.pcapng");
    let mut command: Command = podtap();
    command
        .arg("capture")
        .arg("--netns")
        .arg(pod.path())
        .args(["-i", "lo", "-w"])
        .arg(&file);
    let capture = Running::start(&mut command, "capturing on lo");
    let port = transfer(&pod);
    let (ended_well, log) = capture.interrupt();
    assert!(ended_well, "{log}");
    let lines = ClosingLines::parse(&log);
    lines.assert_nothing_lost();
    let captured = CaptureFile::read(&file);
    assert_eq!(captured.frames(Direction::In).len(), 0, "the second views");
    let mut bytes = 0;
    let mut sequences = std::collections::BTreeSet::new();
    for frame in captured.frames(Direction::Out) {
        let packet = SlicedPacket::from_ethernet(frame).expect("a frame");
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
            continue;
        };
        if tcp.destination_port() == port && !tcp.payload().is_empty() {
            bytes += tcp.payload().len();
            let first = sequences.insert(tcp.sequence_number());
            assert!(first, "segment {} twice", tcp.sequence_number());
        }
    }
    assert_eq!(bytes, BYTES, "the connection's bytes");
    Residue::assert_none(&[&pod]);
}

/// Sends over 127.0.0.1; returns the listener's port.
fn transfer(pod: &TestNetns) -> u16 {
    let (listener, mut sender) = pod.inside(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        (listener, TcpStream::connect(address).expect("a connection"))
    });
    let port = listener.local_addr().expect("its address").port();
    let (mut receiver, _) = listener.accept().expect("a connection");
    let writer = std::thread::spawn(move || sender.write_all(&vec![7; BYTES]).expect("to send"));
    let mut received = Vec::new();
    receiver.read_to_end(&mut received).expect("to receive");
    writer.join().expect("the sender");
    assert_eq!(received.len(), BYTES);
    port
}
