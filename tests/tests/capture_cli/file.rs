//! What is in a file: as much of each packet as was asked for, the direction
//! that was asked for, and what other tools make of it.

use std::process::Command;

use tap_common::Direction;
use tests::{
    CAPTURING, CaptureFile, ClosingLines, Running, Veth, capture_of, craft, run, udp_datagrams,
};

use crate::traffic::{LAST, TRANSFER_BYTES, stream, transfer};

#[test]
#[ignore = "needs root"]
fn root_a_snaplen_cuts_what_is_kept_and_not_what_is_said() {
    const SNAPLEN: usize = 96;
    let veth = Veth::ipv4_only();
    let folder = tempfile::tempdir().expect("a folder");
    let [whole, cut] = ["whole", "cut"].map(|name| folder.path().join(name));
    let captures = [
        Running::start(capture_of(&veth.pod).arg("-w").arg(&whole), CAPTURING),
        Running::start(
            capture_of(&veth.pod)
                .args(["--snaplen", &SNAPLEN.to_string(), "-w"])
                .arg(&cut),
            CAPTURING,
        ),
    ];
    udp_datagrams(
        (&veth.pod, veth.pod.ipv4),
        (&veth.peer, veth.peer.ipv4),
        &[0, 54, 55, 1400],
        None,
    );
    transfer(&veth);
    veth.peer
        .packet_socket()
        .send(&craft::marker(LAST))
        .expect("to send");
    for path in [&whole, &cut] {
        CaptureFile::wait_for(path, LAST);
    }
    for capture in captures {
        let (success, log) = capture.interrupt();
        assert!(success, "{log}");
        ClosingLines::parse(&log).assert_nothing_lost();
    }
    let by_bytes = |file: CaptureFile| {
        let mut packets: Vec<_> = file
            .packets
            .into_iter()
            .map(|packet| {
                let kept = packet.bytes.len().min(SNAPLEN);
                (
                    packet.bytes[..kept].to_vec(),
                    packet.original_len,
                    packet.bytes.len(),
                )
            })
            .collect();
        packets.sort_unstable();
        packets
    };
    let (whole, cut) = (
        by_bytes(CaptureFile::read(&whole)),
        by_bytes(CaptureFile::read(&cut)),
    );
    assert_eq!(whole.len(), cut.len(), "packets");
    for (whole, cut) in whole.iter().zip(&cut) {
        let (bytes, original_len, len) = whole;
        assert_eq!(original_len, len, "whole");
        assert_eq!((&cut.0, cut.1), (bytes, *original_len), "cut");
        assert_eq!(cut.2, (*original_len).min(SNAPLEN), "kept");
    }
    assert!(cut.iter().any(|(_, original_len, _)| *original_len > 1000));
}

#[test]
#[ignore = "needs root"]
fn root_a_direction_is_the_pods() {
    for (name, wanted) in [("in", Direction::In), ("out", Direction::Out)] {
        let veth = Veth::ipv4_only();
        let mut capture = stream(&veth, &["--direction", name]);
        let stdout = capture.drain_stdout();
        let counters = veth.pod.link().counters;
        let transfer = transfer(&veth);
        let now = veth.pod.link().counters;
        let (success, log) = capture.interrupt();
        assert!(success, "{log}");
        let closing = ClosingLines::parse(&log);
        closing.assert_nothing_lost();
        let carried = match wanted {
            Direction::In => now.rx_packets - counters.rx_packets,
            Direction::Out => now.tx_packets - counters.tx_packets,
        };
        assert_eq!(closing.seen, carried, "{name}: {log}");
        let file = CaptureFile::parse(&stdout.join().expect("the stream"));
        assert!(!file.packets.is_empty());
        assert!(file.packets.iter().all(|packet| packet.direction == wanted));
        // The pod sends the data: in the other direction there is none.
        let payload = file.payload_of(&transfer).len();
        let expected = if wanted == Direction::Out {
            TRANSFER_BYTES
        } else {
            0
        };
        assert_eq!(payload, expected, "{name}: bytes that the pod sent");
    }
}

#[test]
#[ignore = "needs root"]
fn root_other_tools_read_the_file_and_its_statistics() {
    let veth = Veth::ipv4_only();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture.pcapng");
    let capture = Running::start(capture_of(&veth.pod).arg("-w").arg(&path), CAPTURING);
    transfer(&veth);
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    let closing = ClosingLines::parse(&log);
    let netns = veth.pod.netns.path();
    let capinfos = output("capinfos", &["-M", &path.to_string_lossy()]);
    for line in [
        "File type:           pcapng".to_owned(),
        format!("Number of packets:   {}", closing.captured),
        "Strict time order:   True".to_owned(),
        "Number of interfaces in file: 1".to_owned(),
        "                     Name = eth0".to_owned(),
        format!(
            "Description = eth0 of network namespace {}",
            netns.display()
        ),
        "Number of stat entries = 1".to_owned(),
        format!("Number of packets = {}", closing.captured),
        "Time precision = nanoseconds (9)".to_owned(),
    ] {
        assert!(capinfos.contains(&line), "no `{line}`:\n{capinfos}");
    }
    // tshark's own count, and its decoding of each packet.
    let lines = output("tshark", &["-n", "-r", &path.to_string_lossy()]);
    assert_eq!(lines.lines().count() as u64, closing.captured, "{lines}");
    // Wireshark's statistics come from the block: received and dropped.
    let statistics = CaptureFile::read(&path).statistics.expect("statistics");
    assert_eq!(statistics.received, Some(closing.received));
    assert_eq!(statistics.dropped, Some(closing.dropped));
    assert_eq!(statistics.delivered, Some(closing.captured));
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = run(Command::new(program).args(arguments));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
