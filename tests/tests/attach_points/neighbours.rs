//! Programs of other tools on the same interface, which decide over its
//! packets: what they do, and in which order, stays as it is while podtap
//! comes and goes. (That they are run at all beside podtap, and that foreign
//! qdiscs and filters stay, is in `tests/attach.rs`.)

use aya::programs::TcAttachType;
use nix::sys::signal::Signal;
use tap_common::Direction;
use tests::{
    CAPTURING, CaptureFile, ClosingLines, DEADLINE, Hooks, PacketSocket, Residue, Running, Veth,
    bpf::{Attached, Place, drop_protocol, mark, only_marked},
    capture_of, craft, eventually_equal, ping, tcp_transfer,
};

const HOOKS: [&str; 2] = ["tcx", "clsact"];
const SIDES: [TcAttachType; 2] = [TcAttachType::Ingress, TcAttachType::Egress];
/// One that the other program asks for.
const MARK: i32 = 0x7074;
/// Another EtherType for local experiments (IEEE 802).
const OTHER_EXPERIMENTAL: u16 = 0x88b6;

#[test]
#[ignore = "needs root"]
fn root_programs_that_rely_on_their_order_keep_it() {
    for guard_place in [Place::Last, Place::Clsact] {
        for hook in HOOKS {
            programs_keep_their_order(guard_place, hook);
        }
    }
}

/// The first marks each packet, the last drops what has no mark: were the
/// order another, or the mark lost on the way, the pod would be cut off.
fn programs_keep_their_order(guard_place: Place, hook: &str) {
    let veth = Veth::ipv4_only();
    let pod = (&veth.pod.netns, "eth0");
    if guard_place == Place::Clsact {
        pod.0.run("tc qdisc add dev eth0 clsact");
    }
    let attach =
        |place, program: (&str, &[u64])| SIDES.map(|side| Attached::new(pod, side, place, program));
    let marks = attach(Place::First, ("mark", &mark(MARK)));
    let guards = attach(guard_place, ("guard", &only_marked(MARK)));
    traffic(&veth);
    let alone = Hooks::of(&veth.pod.netns, "eth0");

    let capture = start(&veth, hook, "/dev/null");
    let before = veth.pod.link().counters;
    traffic(&veth);
    assert_chain(&veth, hook, &alone, &[]);
    // Somebody comes after us, and wants to be first.
    let late = attach(Place::First, ("late", &drop_protocol(craft::EXPERIMENTAL)));
    traffic(&veth);
    assert_chain(&veth, hook, &alone, &["late"]);
    let after = veth.pod.link().counters;
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    let closing = ClosingLines::parse(&log);
    closing.assert_nothing_lost();
    let carried = after.rx_packets + after.tx_packets - before.rx_packets - before.tx_packets;
    assert_eq!(closing.seen, carried, "{guard_place:?}, {hook}:\n{log}");
    traffic(&veth);
    drop(late);
    assert_eq!(Hooks::of(&veth.pod.netns, "eth0"), alone, "after ours");

    // Again. With ours in between, too, nothing passes without a mark.
    let mut capture = start(&veth, hook, "/dev/null");
    let inbox = veth.peer.packet_socket();
    let outbox = veth.pod.packet_socket();
    drop(marks);
    assert_dropped(&outbox, &craft::marker("not marked"));
    let marks = attach(Place::First, ("mark", &mark(MARK)));
    outbox.send(&craft::marker("marked")).expect("to send");
    let received = inbox.receive(DEADLINE).expect("a packet socket");
    assert_eq!(received, Some(craft::marker("marked")));
    traffic(&veth);
    // And without a farewell.
    capture.signal(Signal::SIGKILL);
    capture.wait();
    traffic(&veth);
    if hook == "tcx" {
        eventually_equal("the chain after a kill, and before", || {
            (Hooks::of(&veth.pod.netns, "eth0"), alone.clone())
        });
    }
    drop((marks, guards));
}

/// Panics unless ours is in front of what was there before, and behind what
/// came after us through TCX.
fn assert_chain(veth: &Veth, hook: &str, alone: &Hooks, late: &[&str]) {
    let now = Hooks::of(&veth.pod.netns, "eth0");
    for (ours, tcx, tcx_alone, filters, filters_alone) in [
        (
            "podtap_in",
            &now.tcx_ingress,
            &alone.tcx_ingress,
            &now.filters_ingress,
            &alone.filters_ingress,
        ),
        (
            "podtap_out",
            &now.tcx_egress,
            &alone.tcx_egress,
            &now.filters_egress,
            &alone.filters_egress,
        ),
    ] {
        let mut expected: Vec<_> = late.iter().map(|name| (*name).to_owned()).collect();
        if hook == "tcx" {
            expected.push(ours.to_owned());
        }
        expected.extend(tcx_alone.iter().cloned());
        assert_eq!(tcx, &expected, "{now:?}");
        let behind = match filters.split_first() {
            Some((first, behind)) if hook == "clsact" => {
                assert!(first.contains(ours), "{now:?}");
                behind
            }
            _ => filters,
        };
        assert_eq!(behind, filters_alone, "{now:?}");
    }
}

#[test]
#[ignore = "needs root"]
fn root_what_another_program_drops_stays_dropped() {
    for hook in HOOKS {
        let veth = Veth::ipv4_only();
        let pod = (&veth.pod.netns, "eth0");
        let firewall = |place| {
            let program = ("firewall", &drop_protocol(craft::EXPERIMENTAL)[..]);
            Attached::new(pod, TcAttachType::Egress, place, program)
        };
        let inbox = veth.peer.packet_socket();
        let outbox = veth.pod.packet_socket();
        let send = |words: &str| {
            // The first is stopped, the second comes through.
            assert_dropped(&outbox, &craft::marker(words));
            let free = craft::plain(OTHER_EXPERIMENTAL, words.as_bytes());
            outbox.send(&free).expect("to send");
            let received = inbox.receive(DEADLINE).expect("a packet socket");
            assert_eq!(received, Some(free), "{hook}, {words}");
        };
        let behind = firewall(Place::Last);
        send("before podtap");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("capture.pcapng");
        let capture = start(&veth, hook, &path.to_string_lossy());
        send("a firewall with podtap");
        let in_front = firewall(Place::First);
        send("two firewalls with podtap");
        drop(behind);
        send("a firewall in front of podtap");
        CaptureFile::wait_for(&path, "a firewall in front of podtap");
        let (success, log) = capture.interrupt();
        assert!(success, "{log}");
        ClosingLines::parse(&log).assert_nothing_lost();
        send("after podtap");
        drop(in_front);

        // TCX runs before clsact: there each firewall is in front of us.
        let stopped_behind_us = match hook {
            "tcx" => vec![craft::marker("a firewall with podtap")],
            _ => Vec::new(),
        };
        let mut expected = stopped_behind_us;
        expected.extend(
            [
                "a firewall with podtap",
                "two firewalls with podtap",
                "a firewall in front of podtap",
            ]
            .map(|words| craft::plain(OTHER_EXPERIMENTAL, words.as_bytes())),
        );
        let file = CaptureFile::read(&path);
        assert_eq!(file.frames(Direction::Out), expected, "{hook}");
        Residue::assert_none(&[&veth.pod.netns]);
    }
}

fn start(veth: &Veth, hook: &str, path: &str) -> Running {
    Running::start(
        capture_of(&veth.pod).args(["--hook", hook, "-w", path]),
        CAPTURING,
    )
}

/// Sends a frame that a program drops at egress, which its sender is told
/// (net/core/dev.c `sch_handle_egress`, NET_XMIT_DROP).
fn assert_dropped(outbox: &PacketSocket, frame: &[u8]) {
    let error = outbox.send(frame).expect_err("to be dropped");
    assert_eq!(error.raw_os_error(), Some(nix::libc::ENOBUFS), "{error}");
}

/// Both directions; all of it must arrive.
fn traffic(veth: &Veth) {
    let (pod, peer) = ((&veth.pod, veth.pod.ipv4), (&veth.peer, veth.peer.ipv4));
    ping(pod.0, peer.0, 56);
    ping(peer.0, pod.0, 56);
    tcp_transfer(pod, peer, 100_000);
    tcp_transfer(peer, pod, 100_000);
}
