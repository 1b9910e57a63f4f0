//! A sensor on the tap gets every frame, and the host none.
//!
//! If this fails, a sensor misses packets or goes deaf when podtap restarts,
//! or the node answers the mirrored traffic of its pods.

use std::{
    fs,
    net::IpAddr,
    path::Path,
    process::{Command, Output, Stdio},
};

use nix::sys::signal::Signal;
use serde_json::Value;
use tests::{
    CAPTURING, CaptureFile, ClosingLines, DEADLINE, Hooks, PacketSocket, Received, Residue,
    Running, TestNetns, Veth, capture_of, craft, eventually, ping, run, tcp_transfer,
    udp_datagrams,
};

const TAP: &str = "podtap0";
const LAST: &str = "the last frame";

#[test]
#[ignore = "needs root"]
fn root_a_reader_of_the_tap_gets_what_the_file_has() {
    let (node, veth) = (TestNetns::new(), Veth::ipv4_only());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture.pcapng");
    let capture = start(&node, &veth, &["--tap", TAP, "-w", &path.to_string_lossy()]);
    // No packet passes before the reader is there.
    let sensor = reader(&node);
    every_kind_of_frame(&veth);
    let frames = read_to_last(&sensor);
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    ClosingLines::parse(&log).assert_nothing_lost();

    let file = CaptureFile::read(&path);
    assert!(file.packets.len() > 500, "{} packets", file.packets.len());
    assert_eq!(
        frames.len(),
        file.packets.len(),
        "frames on the tap, and in the file"
    );
    for (number, (frame, packet)) in frames.iter().zip(&file.packets).enumerate() {
        assert!(
            *frame == packet.bytes,
            "frame {number} on the tap, and in the file:\n{}\n{}",
            frame.escape_ascii(),
            packet.bytes.escape_ascii()
        );
    }
    Residue::assert_none(&[&node, &veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_the_host_neither_hears_nor_answers_mirrored_frames() {
    let (node, veth) = (TestNetns::new(), Veth::new());
    // The host has the addresses that are asked for, and a way to where the
    // asking ones seem to be.
    let [ipv4, ipv6]: [IpAddr; 2] =
        ["10.99.0.77", "fd99::77"].map(|ip| ip.parse().expect("an address"));
    node.run("ip link add uplink0 type veth peer name uplink1");
    for link in ["uplink0", "uplink1"] {
        node.run(&format!("ip link set {link} addrgenmode none"));
        node.run(&format!("ip link set {link} up"));
    }
    node.run(&format!("ip addr add {ipv4}/24 dev uplink0"));
    node.run(&format!("ip addr add {ipv6}/64 dev uplink0 nodad"));
    for all in ["all", "default"] {
        node.inside(|| fs::write(format!("/proc/sys/net/ipv4/conf/{all}/rp_filter"), "0"))
            .expect("a sysctl");
    }
    let capture = start(&node, &veth, &["--tap", TAP]);
    let everywhere = node
        .inside(|| PacketSocket::open(0))
        .expect("a packet socket");
    let tap = node.link(TAP).expect("the tap");
    let heard_before = heard(&node);
    let (pod, peer) = (veth.pod.packet_socket(), veth.peer.packet_socket());
    for socket in [&pod, &peer] {
        for frame in [
            craft::arp_request(veth.pod.ipv4, ipv4),
            craft::echo_request(veth.pod.ipv4, ipv4),
            craft::neighbour_solicitation(veth.pod.ipv6, ipv6),
        ] {
            socket.send(&frame).expect("to send");
        }
    }
    tcp_transfer(
        (&veth.pod, veth.pod.ipv4),
        (&veth.peer, veth.peer.ipv4),
        300_000,
    );
    tcp_transfer(
        (&veth.pod, veth.pod.ipv6),
        (&veth.peer, veth.peer.ipv6),
        300_000,
    );
    peer.send(&craft::marker(LAST)).expect("to send");

    let mut mirrored = 0;
    let mut mirrored_questions = 0;
    loop {
        let packet = next(&everywhere);
        let is_mirrored = packet.interface_index == tap.index && !packet.is_outgoing;
        // The uplink's own groups are reported whether podtap is there or not.
        let is_own = packet.interface_index != tap.index && is_multicast_report(&packet.frame);
        assert!(
            is_mirrored || is_own,
            "the host sent: {packet:?}, the tap being {}",
            tap.index
        );
        mirrored += u64::from(is_mirrored);
        mirrored_questions += u64::from(packet.frame[6..12] == craft::SOURCE);
        if contains(&packet.frame, LAST) {
            break;
        }
    }
    // Three by each socket, and the marker.
    assert_eq!(mirrored_questions, 7, "questions on the tap");
    let now = node.link(TAP).expect("the tap").counters;
    // What the host sends on a tap, its writer would read: `tx`.
    assert_eq!(now.tx_packets, 0, "sent by the host: {now:?}");
    assert!(now.rx_packets >= mirrored, "{now:?}, {mirrored} mirrored");
    assert_eq!(heard(&node), heard_before, "heard by the host");
    let neighbours = node.run(&format!("ip neigh show dev {TAP}"));
    assert_eq!(neighbours, "", "neighbours on the tap");
    let neighbours = node.run("ip neigh show dev uplink0");
    assert_eq!(neighbours, "", "neighbours on the uplink");
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    Residue::assert_none(&[&node, &veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_a_tap_is_set_up_for_mirrored_frames_alone() {
    let (node, veth) = (TestNetns::new(), Veth::ipv4_only());
    let capture = start(&node, &veth, &["--tap", TAP]);
    let link = details(&node, TAP);
    let flags = link["flags"].as_array().expect("flags");
    assert!(flags.contains(&Value::from("NOARP")), "{link}");
    assert!(flags.contains(&Value::from("UP")), "{link}");
    assert_eq!(link["mtu"], 9000, "{link}");
    assert_eq!(link["inet6_addr_gen_mode"], "none", "{link}");
    assert_eq!(link["linkinfo"]["info_data"]["persist"], false, "{link}");
    let addresses = node.run(&format!("ip addr show dev {TAP}"));
    assert!(!addresses.contains("inet"), "{addresses}");
    let hooks = Hooks::of(&node, TAP);
    assert_eq!(hooks.tcx_ingress, ["podtap_drop"], "{hooks:?}");
    assert_eq!(hooks.tcx_egress, ["podtap_drop"], "{hooks:?}");
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    Residue::assert_none(&[&node, &veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_a_sensor_keeps_its_tap_over_captures() {
    for hook in ["tcx", "clsact"] {
        let (node, veth) = (TestNetns::new(), Veth::ipv4_only());
        node.run(&format!("ip tuntap add dev {TAP} mode tap"));
        // Up, or the sensor's socket would first be told that it is down.
        node.run(&format!("ip link set {TAP} addrgenmode none"));
        node.run(&format!("ip link set {TAP} up"));
        let index = node.link(TAP).expect("the tap").index;
        let sensor = reader(&node);
        for round in 1..=3 {
            let mut capture = start(&node, &veth, &["--tap", TAP, "--hook", hook]);
            veth.peer
                .packet_socket()
                .send(&craft::marker(LAST))
                .expect("to send");
            read_to_last(&sensor);
            assert_eq!(
                node.link(TAP).expect("the tap").index,
                index,
                "round {round}"
            );
            // Killed or ended, the tap and its reader stay.
            if round == 1 {
                capture.signal(Signal::SIGKILL);
                capture.wait();
            } else {
                let (success, log) = capture.interrupt();
                assert!(success, "{log}");
            }
            eventually("the tap is free", || {
                let flags = details(&node, TAP)["flags"].to_string();
                flags.contains("NO-CARRIER").then_some(())
            });
        }
        assert_eq!(
            details(&node, TAP)["linkinfo"]["info_data"]["persist"],
            true
        );
        if hook == "tcx" {
            let hooks = Hooks::of(&node, TAP);
            assert!(!hooks.has_podtap(), "{hooks:?}");
        }
        node.run(&format!("ip link del {TAP}"));
        // What the killed one left on the pod's interface goes with the pod.
        drop(veth);
        Residue::assert_none(&[&node]);
    }
}

#[test]
#[ignore = "needs root"]
fn root_the_agents_tap_outlives_it_with_its_readers() {
    let node = TestNetns::new();
    deliver_as_agent(&node, "the first agent");
    let link = details(&node, TAP);
    assert_eq!(link["linkinfo"]["info_data"]["persist"], true, "{link}");
    let index = node.link(TAP).expect("the tap stays").index;
    let sensor = reader(&node);
    for words in ["the second agent", "the third agent"] {
        deliver_as_agent(&node, words);
        assert_eq!(node.link(TAP).expect("the tap stays").index, index);
        let packet = next(&sensor);
        assert!(contains(&packet.frame, words), "{packet:?}");
    }
    assert!(!Hooks::of(&node, TAP).has_podtap());
    node.run(&format!("ip link del {TAP}"));
    Residue::assert_none(&[&node]);
}

#[test]
#[ignore = "needs root"]
fn root_a_name_that_is_taken_or_too_long_is_one_line() {
    let (node, veth) = (TestNetns::new(), Veth::ipv4_only());
    node.run("ip link add taken0 type veth peer name taken1");
    for (name, reason) in [
        (
            "taken0",
            "is taken by an interface that is no single-queue tap",
        ),
        ("sixteen-letters0", "is no name for a tap: 1 to 15 bytes"),
        ("lo", "is taken"),
        ("a/b", "is no name for a tap"),
        ("tap%d", "is no name for a tap"),
        ("", "is no name for a tap"),
    ] {
        let output = node.inside(|| run(capture_of(&veth.pod).args(["--tap", name])));
        assert_refused(&output, reason);
        assert_eq!(node.links().len(), 3, "interfaces after `{name}`");
        Residue::assert_none(&[&node, &veth.pod.netns]);
    }
    // A tap of more queues than one is another kind.
    node.run("ip tuntap add dev queues0 mode tap multi_queue");
    let output = node.inside(|| run(capture_of(&veth.pod).args(["--tap", "queues0"])));
    assert_refused(
        &output,
        "is taken by an interface that is no single-queue tap",
    );
    node.run("ip tuntap add dev tunnel0 mode tun");
    let output = node.inside(|| run(capture_of(&veth.pod).args(["--tap", "tunnel0"])));
    assert_refused(
        &output,
        "is taken by an interface that is no single-queue tap",
    );
}

#[test]
#[ignore = "needs root"]
fn root_a_tap_in_use_is_refused_and_its_user_goes_on() {
    let (node, veth) = (TestNetns::new(), Veth::ipv4_only());
    let capture = start(&node, &veth, &["--tap", TAP]);
    let sensor = reader(&node);
    let output = node.inside(|| run(capture_of(&veth.pod).args(["--tap", TAP])));
    assert_refused(&output, "is in use by another process");
    // The first one's, and whole.
    let hooks = Hooks::of(&node, TAP);
    assert_eq!(hooks.tcx_ingress, ["podtap_drop"], "{hooks:?}");
    veth.peer
        .packet_socket()
        .send(&craft::marker(LAST))
        .expect("to send");
    read_to_last(&sensor);
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    Residue::assert_none(&[&node, &veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_a_capture_that_fails_leaves_no_tap_and_changes_none() {
    for hook in ["tcx", "clsact"] {
        let (node, veth) = (TestNetns::new(), Veth::ipv4_only());
        let failing: [(&[&str], &str); 3] = [
            (
                &["-w", "/nowhere/capture.pcapng"],
                "cannot write to /nowhere/capture.pcapng",
            ),
            (&["--interface", "eth7"], "no interface `eth7`"),
            (&["--ring-bytes", "5000"], "must be a power of two"),
        ];
        let fail = |arguments: &[&str], reason| {
            let mut command = capture_of(&veth.pod);
            command.args(["--hook", hook, "--tap", TAP]).args(arguments);
            assert_refused(&node.inside(|| run(&mut command)), reason);
        };
        for (arguments, reason) in failing {
            fail(arguments, reason);
            Residue::assert_none(&[&node, &veth.pod.netns]);
        }
        // One that was there before, a sensor on it.
        node.run(&format!("ip tuntap add dev {TAP} mode tap"));
        let before = Hooks::of(&node, TAP);
        for (arguments, reason) in failing {
            fail(arguments, reason);
            let after = Hooks::of(&node, TAP);
            assert!(!after.has_podtap(), "{hook}, {arguments:?}: {after:?}");
            assert!(
                !after.qdiscs.contains(&"clsact".to_owned()),
                "{hook}, {arguments:?}: {after:?}, before {before:?}"
            );
        }
    }
}

fn start(node: &TestNetns, veth: &Veth, arguments: &[&str]) -> Running {
    node.inside(|| Running::start(capture_of(&veth.pod).args(arguments), CAPTURING))
}

/// A sensor's socket on the tap.
fn reader(node: &TestNetns) -> PacketSocket {
    let tap = node.link(TAP).expect("the tap");
    node.inside(|| PacketSocket::open(tap.index))
        .expect("a packet socket")
}

fn every_kind_of_frame(veth: &Veth) {
    let (pod, peer) = ((&veth.pod, veth.pod.ipv4), (&veth.peer, veth.peer.ipv4));
    tcp_transfer(pod, peer, 600_000);
    tcp_transfer(peer, pod, 600_000);
    udp_datagrams(pod, peer, &[0, 1, 1400, 9000], None);
    udp_datagrams(peer, pod, &[1200, 1200, 1200, 7], Some(1200));
    ping(&veth.pod, &veth.peer, 100);
    let sockets = [veth.pod.packet_socket(), veth.peer.packet_socket()];
    for socket in &sockets {
        for frame in [
            craft::marker("a broadcast"),
            craft::tagged(&craft::marker("VLAN 42"), 0x8100, 42),
            craft::tagged(&craft::marker("VLAN 0"), 0x8100, 0),
            craft::tagged(&craft::marker("service VLAN"), 0x88a8, 7),
            craft::plain(craft::EXPERIMENTAL, &[0x55; 1500]),
            craft::arp_request(veth.pod.ipv4, veth.peer.ipv4),
        ] {
            socket.send(&frame).expect("to send");
        }
    }
    sockets[0].send(&craft::marker(LAST)).expect("to send");
}

/// All frames up to the last marker.
fn read_to_last(socket: &PacketSocket) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    loop {
        let packet = next(socket);
        assert!(!packet.is_outgoing, "the host sent: {packet:?}");
        frames.push(packet.frame);
        if frames.last().is_some_and(|frame| contains(frame, LAST)) {
            return frames;
        }
    }
}

fn next(socket: &PacketSocket) -> Received {
    socket
        .receive_packet(DEADLINE)
        .expect("a packet socket")
        .expect("a frame on the tap")
}

fn contains(frame: &[u8], words: &str) -> bool {
    let words = words.as_bytes();
    frame.windows(words.len()).any(|window| window == words)
}

/// MLD and IGMP: ICMPv6 behind a hop-by-hop header, or protocol 2.
fn is_multicast_report(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([0x86, 0xdd]) => frame.get(20) == Some(&0),
        Some([0x08, 0x00]) => frame.get(23) == Some(&2),
        _ => false,
    }
}

/// What the host's own IPv4 and ARP took in: packets, and ICMP answers.
fn heard(node: &TestNetns) -> Vec<String> {
    let text = node
        .inside(|| fs::read_to_string("/proc/thread-self/net/snmp"))
        .expect("the host's counters");
    // InReceives is the third number of the line `Ip:`.
    let line = text.lines().filter(|line| line.starts_with("Ip: ")).nth(1);
    let received = line.and_then(|line| line.split_whitespace().nth(3));
    let icmp = text
        .lines()
        .filter(|line| line.starts_with("Icmp: "))
        .nth(1);
    vec![
        received.expect("a number").to_owned(),
        icmp.expect("the numbers").to_owned(),
    ]
}

/// One interface as `ip` sees it.
fn details(netns: &TestNetns, name: &str) -> Value {
    let text = netns.run(&format!("ip -j -d link show dev {name}"));
    let mut links: Value = serde_json::from_str(&text).expect("JSON");
    links[0].take()
}

/// A process that has the tap as the agent has it, delivers one frame, and
/// ends.
fn deliver_as_agent(node: &TestNetns, words: &str) {
    let binary = Path::new(env!("CARGO_BIN_EXE_agent_tap"));
    let output = node.inside(|| {
        Command::new(binary)
            .args([TAP, words])
            .stdin(Stdio::null())
            .output()
            .expect("to run it")
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

/// Panics unless it failed with one line that says why, and wrote nothing.
fn assert_refused(output: &Output, reason: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{stderr}");
    assert!(output.stdout.is_empty(), "on standard output: {output:?}");
    assert_eq!(stderr.lines().count(), 1, "more than one line:\n{stderr}");
    assert!(stderr.contains(reason), "not `{reason}`: {stderr}");
}
