//! A capture ends when and as it shall, whole and with true counts.

use std::process::Stdio;

use nix::sys::signal::Signal;
use tests::{CAPTURING, CaptureFile, ClosingLines, Residue, Running, Veth, capture_of};

use crate::traffic::{TRANSFER_BYTES, stream, transfer};

#[test]
#[ignore = "needs root"]
fn root_a_full_disk_ends_the_capture_with_its_reason() {
    let veth = Veth::ipv4_only();
    let mut capture = Running::start(capture_of(&veth.pod).args(["-w", "/dev/full"]), CAPTURING);
    // By itself: nobody sends a signal.
    let (success, log) = capture.wait();
    assert!(!success, "{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("podtap: cannot write to /dev/full: No space left on device"),
        "{log}"
    );
    let closing = ClosingLines::parse(&log);
    assert_eq!(closing.captured, 0, "{log}");
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_a_stream_is_whole_however_it_ends() {
    for end in [Signal::SIGINT, Signal::SIGTERM] {
        let veth = Veth::ipv4_only();
        let mut capture = stream(&veth, &[]);
        let stdout = capture.drain_stdout();
        let transfer = transfer(&veth);
        capture.signal(end);
        let (success, log) = capture.wait();
        assert!(success, "{end}: {log}");
        let closing = ClosingLines::parse(&log);
        closing.assert_nothing_lost();
        let file = CaptureFile::parse(&stdout.join().expect("the stream"));
        assert_eq!(file.packets.len() as u64, closing.captured, "{log}");
        let statistics = file.statistics.expect("interface statistics");
        assert_eq!(statistics.delivered, Some(closing.captured), "{log}");
        assert_eq!(statistics.received, Some(closing.received), "{log}");
        assert_eq!(statistics.dropped, Some(0), "{log}");
        assert_eq!(
            file.payload_of(&transfer).len(),
            TRANSFER_BYTES,
            "bytes of the transfer in the stream"
        );
        Residue::assert_none(&[&veth.pod.netns]);
    }
}

#[test]
#[ignore = "needs root"]
fn root_a_packet_count_is_kept_to_the_packet() {
    // 1, one within a super-frame, and more than one write.
    for count in [1, 7, 200] {
        let veth = Veth::ipv4_only();
        let mut capture = stream(&veth, &["--packet-count", &count.to_string()]);
        let stdout = capture.drain_stdout();
        transfer(&veth);
        let (success, log) = capture.wait();
        assert!(success, "{log}");
        let file = CaptureFile::parse(&stdout.join().expect("the stream"));
        assert_eq!(file.packets.len(), count, "{log}");
        let closing = ClosingLines::parse(&log);
        assert_eq!(closing.captured, count as u64, "{log}");
        closing.assert_closes();
        let statistics = file.statistics.expect("interface statistics");
        assert_eq!(statistics.delivered, Some(count as u64), "{log}");
        // What was not wanted any more was not dropped.
        assert_eq!(statistics.dropped, Some(0), "{log}");
        Residue::assert_none(&[&veth.pod.netns]);
    }
}

#[test]
#[ignore = "needs root"]
fn root_a_duration_ends_it() {
    let veth = Veth::ipv4_only();
    let mut capture = stream(&veth, &["--duration", "300ms"]);
    let stdout = capture.drain_stdout();
    let (success, log) = capture.wait();
    assert!(success, "{log}");
    ClosingLines::parse(&log).assert_nothing_lost();
    let _whole = CaptureFile::parse(&stdout.join().expect("the stream"));
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_a_reader_that_leaves_ends_it_well() {
    let veth = Veth::ipv4_only();
    for arguments in [&["-w", "-"][..], &[]] {
        let mut command = capture_of(&veth.pod);
        let mut capture = Running::start(command.args(arguments).stdout(Stdio::piped()), CAPTURING);
        drop(capture.stdout());
        transfer(&veth);
        let (success, log) = capture.wait();
        assert!(success, "{arguments:?}: {log}");
        assert!(!log.contains("podtap: "), "{arguments:?}: {log}");
        ClosingLines::parse(&log).assert_closes();
        Residue::assert_none(&[&veth.pod.netns]);
    }
}
