//! A capture holds the frames that a wire would have carried.

use std::{net::IpAddr, path::Path, process::Command};

use sha2::{Digest as _, Sha256};
use tests::{
    CAPTURING, CaptureFile, ClosingLines, Running, Transfer, Veth, capture_of, tcp_transfer,
};

/// MTU 1500 and an Ethernet header.
const MAX_FRAME_BYTES: usize = 1500 + 14;
const TRANSFER_BYTES: usize = 100_000_000;

#[test]
#[ignore = "needs root"]
fn root_a_large_transfer_over_ipv4_is_wire_true() {
    let veth = Veth::ipv4_only();
    transfer_is_wire_true(&veth, veth.pod.ipv4, veth.peer.ipv4);
}

#[test]
#[ignore = "needs root"]
fn root_a_large_transfer_over_ipv6_is_wire_true() {
    let veth = Veth::new();
    transfer_is_wire_true(&veth, veth.pod.ipv6, veth.peer.ipv6);
}

fn transfer_is_wire_true(veth: &Veth, pod_ip: IpAddr, peer_ip: IpAddr) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("capture.pcapng");
    let capture = Running::start(capture_of(&veth.pod).arg("-w").arg(&file), CAPTURING);
    let before = veth.pod.link().counters;
    let transfer = tcp_transfer((&veth.pod, pod_ip), (&veth.peer, peer_ip), TRANSFER_BYTES);
    let after = veth.pod.link().counters;
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    let closing = ClosingLines::parse(&log);
    closing.assert_nothing_lost();
    let skbs = after.rx_packets + after.tx_packets - before.rx_packets - before.tx_packets;
    assert_eq!(
        closing.seen, skbs,
        "skbs that the interface carried:\n{log}"
    );
    let capture = CaptureFile::read(&file);
    frames_are_whole(&capture);
    let payload = capture.payload_of(&transfer);
    assert_eq!(
        <[u8; 32]>::from(Sha256::digest(&payload)),
        transfer.sha256,
        "the payload in the capture is not what was sent"
    );
    tshark_finds_nothing_wrong(&file, &transfer);
}

/// Panics unless each frame is whole, and one that the wire could carry.
fn frames_are_whole(capture: &CaptureFile) {
    for packet in &capture.packets {
        let len = packet.bytes.len();
        assert!(len <= MAX_FRAME_BYTES, "{len}");
        assert_eq!(len, packet.original_len, "cut short");
    }
}

/// A dissector that knows nothing of us checks sums, lengths and sequences.
fn tshark_finds_nothing_wrong(file: &Path, transfer: &Transfer) {
    // A TCP checksum of 0xffff is valid (RFC 1071: it is the other 0), and what
    // the kernel itself writes for 0 (`skb_checksum_help`); tshark calls it bad.
    let wrong = "ip.checksum.status == 0 || _ws.malformed \
                 || (tcp.checksum.status == 0 && tcp.checksum != 0xffff) \
                 || tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || ip.len < 20";
    // The bytes that were sent look random: nothing is to be read into them.
    let data = format!("tcp.port=={},data", transfer.to.port());
    let output = Command::new("tshark")
        .args(["-n", "-d", &data, "-r"])
        .arg(file)
        .args(["-o", "tcp.desegment_tcp_streams:FALSE"])
        .args([
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "tcp.check_checksum:TRUE",
        ])
        .args(["-Y", wrong])
        .output()
        .expect("tshark");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(found.is_empty(), "tshark found:\n{found}");
}
