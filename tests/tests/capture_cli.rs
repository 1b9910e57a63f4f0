//! `podtap capture` as its user meets it: what is wrong is said in one line,
//! what is asked for is done to the packet, and standard output is packets.
//!
//! If this fails, a script that pipes podtap into Wireshark breaks, a typing
//! error leaves something on the node, or a capture claims what it has not.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    net::{IpAddr, TcpListener},
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::{fs::PermissionsExt as _, process::CommandExt as _},
    },
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

use nix::{libc, sys::signal::Signal};
use tap_common::Direction;
use tests::{
    CAPTURING, CaptureFile, ClosingLines, Residue, Running, TestNetns, Transfer, Veth, capture_of,
    craft, podtap, podtap_path, run, tcp_transfer, udp_datagrams,
};

const NOBODY: u32 = 65_534;
const LAST: &str = "the last frame";

#[test]
#[ignore = "needs root"]
fn root_bad_input_is_one_line_and_nothing_half_made() {
    let (node, veth) = (TestNetns::new(), Veth::ipv4_only());
    let folder = tempfile::tempdir().expect("a folder");
    let written = folder.path().join("capture.pcapng");
    let written = written.to_string_lossy();
    let pod = veth.pod.netns.path();
    let pod = pod.to_string_lossy();
    let [unreadable, empty, garbled, closed] =
        ["unreadable", "empty", "garbled", "closed"].map(|name| folder.path().join(name));
    fs::create_dir(&unreadable).expect("a folder");
    fs::write(&empty, "").expect("a file");
    fs::write(&garbled, "clusters: [}").expect("a file");
    fs::write(&closed, kubeconfig(closed_port())).expect("a file");
    let [unreadable, empty, garbled, closed] =
        [&unreadable, &empty, &garbled, &closed].map(|path| path.to_string_lossy());
    let missing = folder.path().join("missing");
    let missing = missing.to_string_lossy();
    let no_folder = format!("{missing}/capture.pcapng");
    let (gone_pid, write) = (gone_pid().to_string(), ["-w", &written]);
    let with = |arguments: &[&str]| {
        let mut all = vec!["capture"];
        all.extend(arguments);
        all.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let of_pod = |kubeconfig: &str| with(&["--pod", "shop/web", "--kubeconfig", kubeconfig]);
    let agent = |kubeconfig: &str| -> Vec<String> {
        let socket = folder.path().join("agent.sock");
        [
            "agent",
            "--tap",
            "podtap0",
            "--kubeconfig",
            kubeconfig,
            "--socket",
        ]
        .into_iter()
        .map(ToOwned::to_owned)
        .chain([socket.to_string_lossy().into_owned()])
        .collect()
    };
    let cases = [
        (
            with(&["--netns", "no-such-name", write[0], write[1]]),
            "no network namespace `no-such-name`",
        ),
        (
            with(&["--netns", "/proc/self/status"]),
            "/proc/self/status is no network namespace",
        ),
        (
            with(&["--netns", "/proc/self/ns/mnt"]),
            "/proc/self/ns/mnt is no network namespace",
        ),
        (with(&["--netns", "/"]), "/ is no network namespace"),
        (with(&["--pid", &gone_pid]), "no process"),
        (with(&["--pid", "0"]), "no process 0"),
        (
            with(&["--pid", "web"]),
            "invalid value 'web' for '--pid <PID>'",
        ),
        (
            with(&["--netns", &pod, "--interface", "eth7"]),
            "no interface `eth7` here; there are lo, eth0",
        ),
        (
            with(&["--netns", &pod, "--interface", "eth7", write[0], write[1]]),
            "no interface `eth7`",
        ),
        (
            with(&["--netns", &pod, "--tap", "sixteen-letters0"]),
            "is no name for a tap: 1 to 15 bytes",
        ),
        (
            with(&["--netns", &pod, "--tap", "lo"]),
            "is taken by an interface",
        ),
        (
            with(&["--netns", &pod, "--ring-bytes", "1"]),
            "a ring of 1 bytes: it must be a power of two",
        ),
        (
            with(&["--netns", &pod, "--ring-bytes", "12345"]),
            "a ring of 12345 bytes",
        ),
        (
            with(&["--netns", &pod, "--ring-bytes", "0"]),
            "--ring-bytes",
        ),
        (
            with(&["--netns", &pod, "--hook", "xdp"]),
            "none of auto, tcx, clsact",
        ),
        (
            with(&["--netns", &pod, "--duration", "30"]),
            "a unit is wanted",
        ),
        (
            with(&["--netns", &pod, "--duration", "0s"]),
            "no time at all",
        ),
        (
            with(&["--netns", &pod, "--packet-count", "0"]),
            "--packet-count",
        ),
        (with(&["--netns", &pod, "--direction", "up"]), "--direction"),
        (
            with(&["--netns", &pod, "-w", &no_folder]),
            "No such file or directory",
        ),
        (with(&["--netns", &pod, "-w", "/"]), "cannot write to /"),
        (
            with(&["--netns", &pod, "--pid", "1"]),
            "cannot be used with",
        ),
        (with(&[]), "--pid"),
        (with(&["--pod", "web"]), "NAMESPACE/NAME"),
        (of_pod(&missing), "cannot use kubeconfig"),
        (of_pod(&unreadable), "cannot use kubeconfig"),
        (of_pod(&empty), "cannot use kubeconfig"),
        (of_pod(&garbled), "cannot use kubeconfig"),
        (of_pod(&closed), "does not answer"),
        (agent(&missing), "cannot use kubeconfig"),
        (agent(&closed), "does not answer"),
        (vec!["agent".into()], "--tap"),
        (vec!["unknown".into()], "unrecognized subcommand 'unknown'"),
    ];
    for (arguments, reason) in cases {
        let output = node.inside(|| run(podtap().args(&arguments)));
        assert_refused(&output, reason, &arguments);
        let left = Residue::of(&[&node, &veth.pod.netns]);
        assert!(
            left.iter().all(|left| left.starts_with("the program")),
            "{arguments:?}: {left:?}"
        );
        // An empty file would look like a capture in which nothing happened.
        assert!(
            !Path::new(&*written).exists(),
            "{arguments:?}: a file was left"
        );
    }
    assert!(!folder.path().join("agent.sock").exists());
    // The kernel frees programs some time after their last user.
    Residue::assert_none(&[&node, &veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_without_root_it_says_so_in_one_line() {
    let veth = Veth::ipv4_only();
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
    let copy = folder.path().join("podtap");
    fs::copy(podtap_path(), &copy).expect("a copy that nobody may run");
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, self::kubeconfig(closed_port())).expect("a file");
    let kubeconfig = kubeconfig.to_string_lossy();
    let netns = veth.pod.netns.path();
    let netns = netns.to_string_lossy();
    let cases: [(&[&str], &str); 3] = [
        (&["capture", "--netns", &netns], "capturing needs root"),
        (
            &["capture", "--pid", "1", "-w", "-"],
            "capturing needs root",
        ),
        (
            &["agent", "--tap", "podtap0", "--kubeconfig", &kubeconfig],
            "the agent needs root",
        ),
    ];
    for (arguments, reason) in cases {
        let output = run(Command::new(&copy).args(arguments).uid(NOBODY).gid(NOBODY));
        assert_refused(&output, reason, arguments);
    }
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_packets_do_not_go_to_a_terminal() {
    let veth = Veth::ipv4_only();
    let (mut screen, terminal) = terminal();
    let mut command = capture_of(&veth.pod);
    command.args(["-w", "-"]).stdout(terminal);
    let mut capture = Running::spawn(&mut command);
    drop(command);
    let (status, log) = capture.wait_status();
    let output = Output {
        status,
        stdout: Vec::new(),
        stderr: log.into_bytes(),
    };
    let arguments = ["-w", "-"];
    assert_refused(&output, "packets are no text for a terminal", &arguments);
    // The other end is closed: what was written, then an error.
    let mut written = Vec::new();
    let _ = screen.read_to_end(&mut written);
    assert!(
        written.is_empty(),
        "on the terminal: {}",
        written.escape_ascii()
    );
    Residue::assert_none(&[&veth.pod.netns]);
}

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
    tests::ping(&veth.pod, &veth.peer, 56);
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

const TRANSFER_BYTES: usize = 500_000;

/// The pod sends.
fn transfer(veth: &Veth) -> Transfer {
    tcp_transfer(
        (&veth.pod, veth.pod.ipv4),
        (&veth.peer, veth.peer.ipv4),
        TRANSFER_BYTES,
    )
}

/// A capture to standard output, which is a pipe.
fn stream(veth: &Veth, arguments: &[&str]) -> Running {
    let mut command = capture_of(&veth.pod);
    command.args(["-w", "-"]).args(arguments);
    Running::start(command.stdout(Stdio::piped()), CAPTURING)
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

/// The lines of one connection: its ends, its flags, and each byte once.
fn assert_lines_of(lines: &[String], direction: Direction, transfer: &Transfer) {
    let (there, back) = match direction {
        Direction::In => ("In ", "Out"),
        Direction::Out => ("Out", "In "),
    };
    let ip = |ip: IpAddr| if ip.is_ipv4() { "IP" } else { "IP6" };
    let end = |end: std::net::SocketAddr| format!("{}.{}", end.ip(), end.port());
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

/// Panics unless it failed with one line that says why, and wrote nothing.
fn assert_refused<T: std::fmt::Debug>(output: &Output, reason: &str, arguments: &[T]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success(),
        "{arguments:?} succeeded: {stderr}"
    );
    assert!(output.status.code().is_some(), "{arguments:?}: {output:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?}:\n{stderr}");
    assert!(stderr.starts_with("podtap: "), "{arguments:?}: {stderr}");
    assert!(
        stderr.contains(reason),
        "{arguments:?}, not `{reason}`: {stderr}"
    );
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

fn kubeconfig(port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n\
         users: [{{name: test, user: {{}}}}]\n"
    )
}

/// The number of a process that has ended.
fn gone_pid() -> u32 {
    let mut child = Command::new("true").spawn().expect("to run true");
    child.wait().expect("its end");
    child.id()
}

/// A terminal: the side that a person sees, and the side that a program
/// writes to.
fn terminal() -> (File, OwnedFd) {
    let (mut screen, mut terminal) = (-1, -1);
    // SAFETY: two places for descriptors; the rest may be null.
    let failed = unsafe {
        libc::openpty(
            &raw mut screen,
            &raw mut terminal,
            std::ptr::null_mut(),
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    assert_eq!(failed, 0, "a terminal");
    // SAFETY: openpty made it, and nobody else has it.
    let screen = unsafe { File::from_raw_fd(screen) };
    // SAFETY: as above.
    let terminal = unsafe { OwnedFd::from_raw_fd(terminal) };
    (screen, terminal)
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = run(Command::new(program).args(arguments));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
