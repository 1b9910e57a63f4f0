//! The lines on a terminal: each packet's, and what it says is true.

use std::{
    io::{BufRead as _, BufReader},
    net::{IpAddr, SocketAddr},
    process::Stdio,
    thread,
};

use tap_common::Direction;
use tests::{
    CAPTURING, ClosingLines, Residue, Running, Transfer, Veth, capture_of, craft, ping,
    tcp_transfer, udp_datagrams,
};

use crate::traffic::{LAST, TRANSFER_BYTES};

#[test]
#[ignore = "needs root"]
fn root_lines_say_what_was_sent() {
    let veth = Veth::new();
    let mut capture = Running::start(capture_of(&veth.pod).stdout(Stdio::piped()), CAPTURING);
    let stdout = BufReader::new(capture.stdout());
    let reader = thread::spawn(move || {
        let mut lines = Vec::new();
        for line in stdout.lines() {
            lines.push(line.expect("text"));
        }
        lines
    });
    let mut transfers = Vec::new();
    for [pod_ip, peer_ip] in [
        [veth.pod.ipv4, veth.peer.ipv4],
        [veth.pod.ipv6, veth.peer.ipv6],
    ] {
        let (pod, peer) = ((&veth.pod, pod_ip), (&veth.peer, peer_ip));
        transfers.push((Direction::Out, tcp_transfer(pod, peer, TRANSFER_BYTES)));
        transfers.push((Direction::In, tcp_transfer(peer, pod, TRANSFER_BYTES)));
    }
    let datagrams = udp_datagrams(
        (&veth.peer, veth.peer.ipv4),
        (&veth.pod, veth.pod.ipv4),
        &[123],
        None,
    );
    veth.peer
        .packet_socket()
        .send(&craft::tagged(&craft::marker(LAST), 0x8100, 42))
        .expect("to send");
    ping(&veth.pod, &veth.peer, 56);
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    let lines = reader.join().expect("the lines");
    let closing = ClosingLines::parse(&log);
    closing.assert_nothing_lost();
    assert_eq!(lines.len() as u64, closing.captured, "a line a packet");

    for line in &lines {
        let (time, _) = line.split_at(15);
        let shape: String = time
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(shape, "00:00:00.000000", "{line}");
    }
    for (direction, transfer) in &transfers {
        assert_lines_of(&lines, *direction, transfer);
    }
    let one = |words: &str| {
        let found = lines.iter().filter(|line| line.contains(words)).count();
        assert_eq!(found, 1, "lines with `{words}`:\n{}", lines.join("\n"));
    };
    one(&format!(
        " In  IP {}.{} > {}.{}: UDP, length 123",
        datagrams.from.ip(),
        datagrams.from.port(),
        datagrams.to.ip(),
        datagrams.to.port()
    ));
    one(" In  vlan 42, ");
    one(" Out IP 10.99.0.1 > 10.99.0.2: ICMP type 8, length 64");
    one(" In  IP 10.99.0.2 > 10.99.0.1: ICMP type 0, length 64");
    assert!(
        lines.iter().any(|line| line.contains(" ARP, ")),
        "{}",
        lines.join("\n")
    );
    Residue::assert_none(&[&veth.pod.netns]);
}

/// The lines of one connection: its ends, its flags, and each byte once.
fn assert_lines_of(lines: &[String], direction: Direction, transfer: &Transfer) {
    let (there, back) = match direction {
        Direction::In => ("In ", "Out"),
        Direction::Out => ("Out", "In "),
    };
    let ip = |ip: IpAddr| if ip.is_ipv4() { "IP" } else { "IP6" };
    let end = |end: SocketAddr| format!("{}.{}", end.ip(), end.port());
    let (from, to) = (end(transfer.from), end(transfer.to));
    let name = ip(transfer.from.ip());
    let sent = format!(" {there} {name} {from} > {to}: Flags [");
    let answered = format!(" {back} {name} {to} > {from}: Flags [");
    let select = |prefix: &str| -> Vec<&str> {
        lines
            .iter()
            .filter_map(|line| line.split_once(prefix).map(|(_, rest)| rest))
            .collect()
    };
    let (sent, answered) = (select(&sent), select(&answered));
    assert!(
        !sent.is_empty() && !answered.is_empty(),
        "no lines of {transfer:?}"
    );
    assert!(sent[0].starts_with("S], seq "), "{}", sent[0]);
    assert!(answered[0].starts_with("S.], seq "), "{}", answered[0]);
    assert!(sent.iter().any(|line| line.starts_with('F')), "no FIN");
    let mut segments = Vec::new();
    for line in &sent {
        let (_, length) = line.rsplit_once(", length ").expect("a length");
        let length: usize = length.parse().expect("a number");
        // MTU, IP header, TCP header with its time stamps.
        assert!(length <= 1500 - 20 - 32, "{line}");
        // An acknowledgement has none.
        if let Some((_, rest)) = line.split_once("seq ") {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            let sequence = digits.and_then(|digits| digits.parse().ok());
            segments.push((sequence.expect("a sequence number"), length));
        }
    }
    assert_eq!(
        covered(&segments),
        TRANSFER_BYTES,
        "lengths of {transfer:?}"
    );
    for line in &answered {
        assert!(line.ends_with(", length 0"), "{line}");
    }
}

/// How many bytes segments from the SYN on cover together: one that was sent
/// again counts once.
fn covered(segments: &[(u32, usize)]) -> usize {
    let Some((first, _)) = segments.first() else {
        return 0;
    };
    let mut offsets: Vec<_> = segments
        .iter()
        .map(|(sequence, len)| (sequence.wrapping_sub(*first) as usize, *len))
        .collect();
    offsets.sort_unstable();
    let (mut covered, mut end) = (0, 0);
    for (offset, len) in offsets {
        covered += (offset + len).saturating_sub(end.max(offset));
        end = end.max(offset + len);
    }
    covered
}
