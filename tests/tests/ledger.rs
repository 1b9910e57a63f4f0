//! Every packet of the pod is in the ledger, under exactly one verdict.
//!
//! If this fails, `0 dropped` is a claim and not a count: an operator cannot
//! know whether a sensor saw the attack.

use std::{num::NonZeroU32, process::Stdio};

use nix::sys::signal::Signal;
use rustix::time::{ClockId, clock_gettime};
use tap_common::{Direction, LinkLayer, Verdict};
use tap_userspace::{
    adapter::bpf::{Hook, Kernel, Programs, Ring, Shared},
    agent::target::Target,
    engine::{decode::decode, offload::GsoTypes},
    model::{Directions, Ledger, TargetId},
};
use tests::{
    CaptureFile, ClosingLines, Hooks, Residue, Running, Veth, VethEnd, craft, eventually,
    eventually_equal, ping, podtap, tcp_transfer, udp_datagrams,
};

/// Room for everything that a test sends.
const RING_BYTES: NonZeroU32 = NonZeroU32::new(1 << 26).expect("not 0");
const TRANSFER_BYTES: usize = 2_000_000;

#[test]
#[ignore = "needs root"]
fn root_seen_is_what_the_interface_carried_to_the_packet() {
    let veth = Veth::stopped();
    let Kernel {
        shared,
        mut ring,
        heartbeat: _heartbeat,
        log: _log,
        ..
    } = Shared::open(RING_BYTES).expect("the kernel side");
    let target = attach(&shared, &veth.pod);
    // Attached before the first packet: the counters are equal from birth.
    veth.start();
    every_kind_of_traffic(&veth);
    eventually_equal("the ledger, and the interface's counters", || {
        let ledger = target.ledger().expect("the ledger");
        let counters = veth.pod.link().counters;
        let seen = [ledger.received.seen, ledger.sent.seen];
        (
            seen.map(|count| (count.packets, count.bytes)),
            [
                (counters.rx_packets, counters.rx_bytes),
                (counters.tx_packets, counters.tx_bytes),
            ],
        )
    });
    let ledger = target.detach(None).expect("to detach");
    assert_closes(&ledger);
    let total = ledger.total();
    assert_eq!(total.count(Verdict::Mirrored), total.seen, "{total:?}");
    let records = lengths(&mut ring);
    assert_eq!(records.len() as u64, total.seen.packets, "records");
    assert_eq!(records.iter().sum::<u64>(), total.seen.bytes, "their bytes");
    // Or the equality above says little.
    assert!(records.iter().any(|len| *len > 10_000), "no super-frame");
    assert!(records.iter().any(|len| *len < 64), "no small packet");
    drop(shared);
    drop((ring, _heartbeat, _log));
    Residue::assert_none(&[&veth.pod.netns, &veth.peer.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_a_dormant_target_counts_and_copies_nothing() {
    for hook in [Hook::Tcx, Hook::Clsact] {
        let veth = Veth::ipv4_only();
        let Kernel {
            shared,
            mut ring,
            heartbeat,
            log,
            ..
        } = Shared::open(RING_BYTES).expect("the kernel side");
        let netns = veth.pod.netns.open();
        let mut programs = Programs::load(
            &shared,
            TargetId(1),
            LinkLayer::Ethernet,
            &Direction::ALL,
            None,
        )
        .expect("the programs");
        let attachment = netns
            .inside(|| programs.attach("eth0", &Direction::ALL, hook, None))
            .expect("the namespace")
            .expect("to attach");
        transfer(&veth, 100_000);
        let added_qdisc = netns
            .inside(|| attachment.remove("eth0"))
            .expect("the namespace")
            .expect("to detach");
        assert_eq!(added_qdisc, hook == Hook::Clsact);
        let ledger = programs.ledger().expect("the ledger");
        assert_closes(&ledger);
        let total = ledger.total();
        assert!(total.seen.packets > 0, "nothing was seen");
        assert_eq!(total.count(Verdict::Dormant), total.seen, "{total:?}");
        assert!(ring.pop().is_none(), "a record of a dormant target");
        drop((programs, shared, ring, heartbeat, log));
    }
}

#[test]
#[ignore = "needs root"]
fn root_without_a_heartbeat_nothing_is_copied_within_a_second() {
    let veth = Veth::ipv4_only();
    let Kernel {
        shared,
        mut ring,
        heartbeat,
        log: _log,
        ..
    } = Shared::open(RING_BYTES).expect("the kernel side");
    let target = attach(&shared, &veth.pod);
    transfer(&veth, 100_000);
    let total = target.ledger().expect("the ledger").total();
    assert_eq!(total.count(Verdict::AgentAway).packets, 0, "while it beats");
    assert!(total.count(Verdict::Mirrored).packets > 0, "while it beats");

    drop(heartbeat);
    let last_beat_ns = monotonic_ns();
    eventually("agent_away is counted", || {
        transfer(&veth, 1000);
        let total = target.ledger().expect("the ledger").total();
        (total.count(Verdict::AgentAway).packets > 0).then_some(())
    });
    let before = target.ledger().expect("the ledger").total();
    transfer(&veth, 100_000);
    let ledger = target.detach(None).expect("to detach");
    assert_closes(&ledger);
    let total = ledger.total();
    assert_eq!(
        total.count(Verdict::Mirrored),
        before.count(Verdict::Mirrored),
        "copied although nobody reads"
    );
    // By the kernel's own clock, however late this test looked.
    while let Some(item) = ring.pop() {
        let record = decode(&item, &GsoTypes::default()).expect("a record");
        let age_ns = record.timestamp_ns.saturating_sub(last_beat_ns);
        assert!(
            age_ns < 1_000_000_000,
            "copied {age_ns} ns after the last beat"
        );
    }
}

#[test]
#[ignore = "needs root"]
fn root_a_full_ring_is_counted_and_costs_the_pod_nothing() {
    let veth = Veth::ipv4_only();
    let mut capture = Running::start(
        podtap()
            .arg("capture")
            .arg("--netns")
            .arg(veth.pod.netns.path())
            .args(["--ring-bytes", "65536", "-w", "-"])
            .stdout(Stdio::piped()),
        "capturing on eth0",
    );
    let before = veth.pod.link().counters;
    // Nobody reads the pipe: it fills, then the ring. The transfer checks
    // itself that every byte arrives.
    transfer(&veth, TRANSFER_BYTES);
    let after = veth.pod.link().counters;
    // Ended before it is read: a stuck reader keeps nothing attached.
    capture.signal(Signal::SIGINT);
    eventually("the pod is untapped while nobody reads", || {
        (!Hooks::of(&veth.pod.netns, "eth0").has_podtap()).then_some(())
    });
    let output = capture.drain_stdout();
    let (success, log) = capture.wait();
    assert!(success, "{log}");
    let closing = ClosingLines::parse(&log);
    closing.assert_closes();
    let [mirrored, lost] = ["mirrored", "ring_full"].map(|name| closing.verdict(name));
    assert!(mirrored > 0 && lost > 0, "{closing:?}");
    assert_eq!(mirrored + lost, closing.seen, "{closing:?}");
    let carried = after.rx_packets + after.tx_packets - before.rx_packets - before.tx_packets;
    assert_eq!(
        closing.seen, carried,
        "seen, and what the interface carried"
    );
    assert_eq!(closing.dropped, lost, "{closing:?}");
    assert_eq!(closing.captured, closing.frames, "{closing:?}");
    assert_eq!(closing.received, closing.frames + lost, "{closing:?}");

    let file = CaptureFile::parse(&output.join().expect("what it wrote"));
    assert_eq!(
        file.packets.len() as u64,
        closing.captured,
        "packets in the file"
    );
    let statistics = file.statistics.expect("interface statistics");
    assert_eq!(statistics.received, Some(closing.received), "{closing:?}");
    assert_eq!(statistics.dropped, Some(closing.dropped), "{closing:?}");
    assert_eq!(statistics.delivered, Some(closing.captured), "{closing:?}");
    // It says so too, once and not per packet.
    let words = "first skb lost to a full ring";
    let said = log.lines().filter(|line| line.contains(words)).count();
    assert!((1..=8).contains(&said), "said {said} times:\n{log}");
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_big_tcp_is_recorded_whole() {
    const BIG: usize = 200_000;
    let veth = Veth::new();
    for end in [&veth.pod, &veth.peer] {
        let set = format!("ip link set eth0 gso_max_size {BIG} gro_max_size {BIG}");
        end.netns.run(&set);
    }
    let Kernel {
        shared,
        mut ring,
        heartbeat: _heartbeat,
        log: _log,
        ..
    } = Shared::open(RING_BYTES).expect("the kernel side");
    let target = attach(&shared, &veth.pod);
    // BIG TCP over IPv6; its window opens with the transfer.
    tcp_transfer(
        (&veth.pod, veth.pod.ipv6),
        (&veth.peer, veth.peer.ipv6),
        5 * TRANSFER_BYTES,
    );
    let ledger = target.detach(None).expect("to detach");
    assert_closes(&ledger);
    let total = ledger.total();
    let records = lengths(&mut ring);
    assert_eq!(records.len() as u64, total.seen.packets, "{total:?}");
    assert_eq!(records.iter().sum::<u64>(), total.seen.bytes, "their bytes");
    // Or all of them would fit without BIG TCP (`RECORD_CLASSES_BYTES`).
    let longest = records.iter().max();
    assert!(longest > Some(&65_568), "the longest has {longest:?} bytes");
}

/// Super-frames and small ones, fragments, both directions, answered and not.
fn every_kind_of_traffic(veth: &Veth) {
    for (pod_ip, peer_ip) in [
        (veth.pod.ipv4, veth.peer.ipv4),
        (veth.pod.ipv6, veth.peer.ipv6),
    ] {
        let (pod, peer) = ((&veth.pod, pod_ip), (&veth.peer, peer_ip));
        tcp_transfer(pod, peer, TRANSFER_BYTES);
        tcp_transfer(peer, pod, TRANSFER_BYTES);
        for (from, to) in [(pod, peer), (peer, pod)] {
            udp_datagrams(from, to, &[0, 1, 100, 1400, 9000, 60_000], None);
            udp_datagrams(from, to, &[1200, 1200, 1200, 1200, 7], Some(1200));
        }
    }
    for len in [0, 56, 1400, 4000] {
        ping(&veth.pod, &veth.peer, len);
        ping(&veth.peer, &veth.pod, len);
    }
    for end in [&veth.pod, &veth.peer] {
        let socket = end.packet_socket();
        // The smallest that the kernel sends, and one of a full MTU.
        socket.send(&craft::marker("")[..14]).expect("to send");
        socket.send(&craft::marker("one packet")).expect("to send");
        let full = craft::plain(craft::EXPERIMENTAL, &[0x55; 1500]);
        socket.send(&full).expect("to send");
    }
}

fn transfer(veth: &Veth, len: usize) {
    tcp_transfer(
        (&veth.pod, veth.pod.ipv4),
        (&veth.peer, veth.peer.ipv4),
        len,
    );
}

fn attach(shared: &Shared, end: &VethEnd) -> Target {
    Target::attach(
        shared,
        TargetId(1),
        &end.netns.open(),
        "eth0",
        Directions::Both,
        Hook::Tcx,
    )
    .expect("a target")
}

fn assert_closes(ledger: &Ledger) {
    // Summed here again: the ledger's own word is under test.
    for row in [ledger.received, ledger.sent] {
        let sum = row.verdicts.iter().fold((0, 0), |(packets, bytes), count| {
            (packets + count.packets, bytes + count.bytes)
        });
        assert_eq!(sum, (row.seen.packets, row.seen.bytes), "{ledger:?}");
    }
    assert!(ledger.closes(), "{ledger:?}");
}

/// Lengths of the skbs whose records are in the ring.
fn lengths(ring: &mut Ring) -> Vec<u64> {
    let mut lengths = Vec::new();
    while let Some(item) = ring.pop() {
        lengths.push(u64::from(
            decode(&item, &GsoTypes::default())
                .expect("a record")
                .skb_len,
        ));
    }
    lengths
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).expect("a time") * 1_000_000_000
        + u64::try_from(now.tv_nsec).expect("a time")
}
