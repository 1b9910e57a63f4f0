//! podtap comes and goes without a trace on the pod's interface.
//!
//! If this fails, a tap cuts a pod off, silences the network plugin's or
//! another vendor's programs, or leaves something that nobody will clean up.

use std::{
    fs,
    net::IpAddr,
    num::NonZeroU32,
    path::PathBuf,
    process::{Child, Command},
};

use nix::sys::signal::Signal;
use tap_common::{Direction, LinkLayer};
use tap_userspace::{
    adapter::bpf::{Attachment, Hook, Kernel, Programs, Shared},
    model::TargetId,
};
use tests::{
    CAPTURING, CaptureFile, ClosingLines, Hooks, Residue, Running, Veth, VethEnd, capture_of,
    craft, eventually, eventually_equal, podtap, tcp_transfer, udp_datagrams,
};

const HOOKS: [&str; 2] = ["tcx", "clsact"];

#[test]
#[ignore = "needs root"]
fn root_both_hooks_capture_the_same() {
    // Two captures of the same traffic, at the same time.
    let veth = Veth::ipv4_only();
    let folder = tempfile::tempdir().expect("a folder");
    let mut captures = Vec::new();
    for hook in HOOKS {
        let path = folder.path().join(hook);
        let capture = start(&veth.pod, hook, &["-w", &path.to_string_lossy()]);
        assert!(
            capture.log.contains(&format!("attached through {hook}")),
            "{}",
            capture.log
        );
        captures.push((capture, path));
    }
    traffic(&veth);
    send_last(&veth);
    let mut files = Vec::new();
    for (capture, path) in captures {
        CaptureFile::wait_for(&path, LAST);
        let (success, log) = capture.interrupt();
        assert!(success, "{log}");
        ClosingLines::parse(&log).assert_nothing_lost();
        files.push(CaptureFile::read(&path));
    }
    let [tcx, clsact] = &files[..] else {
        panic!("two captures");
    };
    assert!(tcx.packets.len() > 100, "{} packets", tcx.packets.len());
    for direction in Direction::ALL {
        let [tcx, clsact] = [tcx, clsact].map(|file| {
            let mut frames = file.frames(direction);
            // On two CPUs two packets may reach the two rings in either order.
            frames.sort_unstable();
            frames
        });
        assert!(
            tcx == clsact,
            "{direction:?}: {} and {} frames, or other ones",
            tcx.len(),
            clsact.len()
        );
    }
    assert_untouched(&veth.pod, &Hooks::default());
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_foreign_clsact_filters_stay_and_keep_working() {
    for hook in HOOKS {
        let veth = Veth::ipv4_only();
        let foreign = ForeignFilters::add(&veth.pod);
        let before = Hooks::of(&veth.pod.netns, "eth0");
        assert!(before.filters_ingress.len() >= 2, "{before:?}");
        assert!(!before.filters_egress.is_empty(), "{before:?}");
        foreign.assert_work(&veth);

        let capture = start(&veth.pod, hook, &["-w", "/dev/null"]);
        let during = Hooks::of(&veth.pod.netns, "eth0");
        if hook == "clsact" {
            // Ours come first, or a foreign verdict would hide packets.
            assert!(
                during.filters_ingress[0].contains("podtap_in"),
                "{during:?}"
            );
            assert_eq!(
                during.filters_ingress[1..],
                before.filters_ingress,
                "{during:?}"
            );
            assert!(
                during.filters_egress[0].contains("podtap_out"),
                "{during:?}"
            );
            assert_eq!(
                during.filters_egress[1..],
                before.filters_egress,
                "{during:?}"
            );
        } else {
            assert_eq!(during.filters_ingress, before.filters_ingress, "{during:?}");
            assert_eq!(during.filters_egress, before.filters_egress, "{during:?}");
        }
        let counters = veth.pod.link().counters;
        foreign.assert_work(&veth);
        traffic(&veth);
        let now = veth.pod.link().counters;
        let (success, log) = capture.interrupt();
        assert!(success, "{log}");
        let closing = ClosingLines::parse(&log);
        closing.assert_nothing_lost();
        // One of them ends the chain for all of IPv4.
        let carried = now.rx_packets + now.tx_packets - counters.rx_packets - counters.tx_packets;
        assert_eq!(closing.seen, carried, "{hook}: {log}");

        foreign.assert_work(&veth);
        // The qdisc among them.
        assert_untouched(&veth.pod, &before);
    }
}

#[test]
#[ignore = "needs root"]
fn root_a_foreign_clsact_qdisc_without_filters_stays() {
    for hook in HOOKS {
        let veth = Veth::ipv4_only();
        veth.pod.netns.run("tc qdisc add dev eth0 clsact");
        let before = Hooks::of(&veth.pod.netns, "eth0");
        assert!(before.qdiscs.contains(&"clsact".to_owned()), "{before:?}");
        let capture = start(&veth.pod, hook, &["-w", "/dev/null"]);
        traffic(&veth);
        let (success, log) = capture.interrupt();
        assert!(success, "{log}");
        assert_untouched(&veth.pod, &before);
    }
}

#[test]
#[ignore = "needs root"]
fn root_our_clsact_qdisc_stays_while_a_foreign_filter_uses_it() {
    let veth = Veth::ipv4_only();
    let capture = start(&veth.pod, "clsact", &["-w", "/dev/null"]);
    // Somebody comes after us and finds a qdisc.
    veth.pod
        .netns
        .run("tc filter add dev eth0 egress protocol ip prio 7 u32 match u32 0 0 classid 1:1");
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    let after = Hooks::of(&veth.pod.netns, "eth0");
    assert!(
        !after.filters_egress.is_empty() && !after.has_podtap(),
        "{after:?}"
    );
    assert!(after.qdiscs.contains(&"clsact".to_owned()), "{after:?}");
}

#[test]
#[ignore = "needs root"]
fn root_foreign_tcx_programs_run_before_and_after_ours() {
    let veth = Veth::ipv4_only();
    let behind = ForeignProgram::attach(&veth.pod, Hook::Tcx);
    let capture = start(&veth.pod, "tcx", &["-w", "/dev/null"]);
    let before = ForeignProgram::attach(&veth.pod, Hook::Tcx);
    let during = Hooks::of(&veth.pod.netns, "eth0");
    assert_eq!(
        (during.tcx_ingress.len(), during.tcx_egress.len()),
        (3, 3),
        "{during:?}"
    );
    traffic(&veth);
    eventually_equal("seen by the first, and by the last", || {
        (before.seen(), behind.seen())
    });
    let (first, last) = (before.seen(), behind.seen());
    assert!(first > 0, "nothing was seen");
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    let ours = ClosingLines::parse(&log);
    ours.assert_nothing_lost();
    // In the middle of the chain: what the first let through, we saw and let
    // through to the last.
    assert!(first <= ours.seen, "{first}, {ours:?}");
    traffic(&veth);
    assert!(
        before.seen() > first && behind.seen() > last,
        "after ours has gone"
    );
}

#[test]
#[ignore = "needs root"]
fn root_a_foreign_clsact_program_behind_ours_sees_all() {
    let veth = Veth::ipv4_only();
    let behind = ForeignProgram::attach(&veth.pod, Hook::Clsact);
    for hook in HOOKS {
        let capture = start(&veth.pod, hook, &["-w", "/dev/null"]);
        let before = behind.seen();
        let counters = veth.pod.link().counters;
        traffic(&veth);
        eventually_equal("packets behind ours, and on the interface", || {
            let now = veth.pod.link().counters;
            let packets = now.rx_packets + now.tx_packets;
            (
                behind.seen() - before,
                packets - counters.rx_packets - counters.tx_packets,
            )
        });
        let (success, log) = capture.interrupt();
        assert!(success, "{log}");
    }
    behind.remove(&veth.pod);
}

#[test]
#[ignore = "needs root"]
fn root_killed_it_leaves_no_tcx_link_and_the_pod_its_traffic() {
    let veth = Veth::ipv4_only();
    let mut capture = start(&veth.pod, "tcx", &["-w", "/dev/null"]);
    assert!(Hooks::of(&veth.pod.netns, "eth0").has_podtap());
    traffic(&veth);
    capture.signal(Signal::SIGKILL);
    let (success, _) = capture.wait();
    assert!(!success);
    traffic(&veth);
    eventually_equal("what hangs there, and nothing", || {
        let hooks = Hooks::of(&veth.pod.netns, "eth0");
        (hooks.tcx_ingress.len() + hooks.tcx_egress.len(), 0)
    });
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_killed_with_clsact_the_pod_keeps_its_traffic() {
    let veth = Veth::ipv4_only();
    let mut capture = start(&veth.pod, "clsact", &["-w", "/dev/null"]);
    capture.signal(Signal::SIGKILL);
    let (success, _) = capture.wait();
    assert!(!success);
    // A filter belongs to the interface and stays, but harms nothing, and the
    // next capture works beside it.
    traffic(&veth);
    let next = start(&veth.pod, "clsact", &["-w", "/dev/null"]);
    traffic(&veth);
    let (success, log) = next.interrupt();
    assert!(success, "{log}");
    ClosingLines::parse(&log).assert_nothing_lost();
    traffic(&veth);
}

#[test]
#[ignore = "needs root"]
fn root_a_pod_that_goes_away_ends_nothing_but_its_packets() {
    for hook in HOOKS {
        let veth = Veth::ipv4_only();
        let capture = start(&veth.pod, hook, &["-w", "/dev/null"]);
        traffic(&veth);
        veth.pod.netns.run("ip link del eth0");
        let (success, log) = capture.interrupt();
        assert!(success, "{hook}:\n{log}");
        ClosingLines::parse(&log).assert_nothing_lost();
        Residue::assert_none(&[&veth.pod.netns]);
    }
}

#[test]
#[ignore = "needs root"]
fn root_another_interface_of_the_same_name_is_left_alone() {
    for hook in HOOKS {
        let veth = Veth::ipv4_only();
        let pod = &veth.pod.netns;
        let capture = start(&veth.pod, hook, &["-w", "/dev/null"]);
        pod.run("ip link del eth0");
        pod.run("ip link add eth0 type veth peer name other0");
        pod.run("tc qdisc add dev eth0 clsact");
        pod.run("tc filter add dev eth0 ingress protocol ip prio 7 u32 match u32 0 0 classid 1:1");
        let before = Hooks::of(pod, "eth0");
        let (success, log) = capture.interrupt();
        assert!(success, "{hook}:\n{log}");
        assert_untouched(&veth.pod, &before);
    }
}

#[test]
#[ignore = "needs root"]
fn root_a_capture_keeps_no_namespace_alive() {
    for hook in HOOKS {
        let Veth { pod, peer } = Veth::ipv4_only();
        let mut capture = start(&pod, hook, &["-w", "/dev/null"]);
        let open = open_namespaces(capture.id());
        assert!(open.is_empty(), "{hook}: held open: {open:?}");
        drop(pod);
        // The namespace goes with its last user, and its interface with it.
        eventually("the pod's interface is gone", || {
            peer.netns.link("eth0").is_none().then_some(())
        });
        let (success, log) = capture.wait();
        assert!(success, "{hook}: {log}");
        ClosingLines::parse(&log).assert_closes();
        Residue::assert_none(&[&peer.netns]);
    }
}

/// Network namespaces that a process has a descriptor of.
fn open_namespaces(pid: u32) -> Vec<PathBuf> {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("its descriptors")
        // One may be closed while we look.
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter(|link| link.to_string_lossy().starts_with("net:["))
        .collect()
}

#[test]
#[ignore = "needs root"]
fn root_the_pod_outlives_the_process_that_was_named() {
    for hook in HOOKS {
        let veth = Veth::ipv4_only();
        let sleep = || {
            let mut command = Command::new("sleep");
            let child = veth.pod.netns.inside(|| command.arg("600").spawn());
            Killed(child.expect("to run sleep"))
        };
        let (named, other) = (sleep(), sleep());
        let pid = named.0.id().to_string();
        let mut command = podtap();
        command.args(["capture", "--pid", &pid, "--hook", hook, "-w", "/dev/null"]);
        let capture = Running::start(&mut command, CAPTURING);
        drop(named);
        traffic(&veth);
        let (success, log) = capture.interrupt();
        assert!(success, "{hook}: {log}");
        ClosingLines::parse(&log).assert_nothing_lost();
        Residue::assert_none(&[&veth.pod.netns]);
        drop(other);
    }
}

/// A process that does not outlive the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const LAST: &str = "the last frame";

fn start(pod: &VethEnd, hook: &str, arguments: &[&str]) -> Running {
    Running::start(
        capture_of(pod).args(["--hook", hook]).args(arguments),
        CAPTURING,
    )
}

/// Both directions, over TCP.
fn traffic(veth: &Veth) {
    let (pod, peer) = ((&veth.pod, veth.pod.ipv4), (&veth.peer, veth.peer.ipv4));
    tcp_transfer(pod, peer, 300_000);
    tcp_transfer(peer, pod, 300_000);
}

/// A marker in each direction.
fn send_last(veth: &Veth) {
    for end in [&veth.peer, &veth.pod] {
        let marker = craft::marker(LAST);
        end.packet_socket().send(&marker).expect("to send");
    }
}

/// Panics unless exactly what was there before is there now.
fn assert_untouched(pod: &VethEnd, before: &Hooks) {
    let mut after = Hooks::of(&pod.netns, "eth0");
    if before == &Hooks::default() {
        // Every interface has this one while it has no other.
        after.qdiscs.retain(|kind| kind != "noqueue");
    }
    assert_eq!(&after, before, "after, and before");
}

/// Filters of `tc` that podtap knows nothing of: they copy UDP to another
/// interface, where it can be counted.
struct ForeignFilters<'a> {
    pod: &'a VethEnd,
}

impl<'a> ForeignFilters<'a> {
    fn add(pod: &'a VethEnd) -> Self {
        let netns = &pod.netns;
        netns.run("ip link add copies0 type veth peer name copies1");
        for link in ["copies0", "copies1"] {
            netns.run(&format!("ip link set {link} up"));
        }
        netns.run("tc qdisc add dev eth0 clsact");
        let copy = "u32 match ip protocol 17 0xff action mirred egress mirror dev copies0";
        netns.run(&format!(
            "tc filter add dev eth0 ingress protocol ip prio 5 {copy}"
        ));
        netns.run(&format!(
            "tc filter add dev eth0 egress protocol ip prio 5 {copy}"
        ));
        let other = "u32 match u32 0 0 classid 1:1";
        netns.run(&format!(
            "tc filter add dev eth0 ingress protocol ip prio 9 {other}"
        ));
        Self { pod }
    }

    /// Panics unless each of our datagrams was copied, in both directions.
    fn assert_work(&self, veth: &Veth) {
        let copies = || {
            let link = self.pod.netns.link("copies0").expect("where copies go");
            link.counters.tx_packets
        };
        let before = copies();
        let ends: [(&VethEnd, IpAddr); 2] =
            [(&veth.pod, veth.pod.ipv4), (&veth.peer, veth.peer.ipv4)];
        udp_datagrams(ends[0], ends[1], &[100; 10], None);
        udp_datagrams(ends[1], ends[0], &[100; 10], None);
        eventually_equal("copies of 20 datagrams", || (copies() - before, 20));
    }
}

/// A counting program of somebody else: dormant, and with a ledger of its own.
struct ForeignProgram {
    programs: Programs,
    attachment: Attachment,
    _kernel: Kernel,
}

impl ForeignProgram {
    fn attach(pod: &VethEnd, hook: Hook) -> Self {
        let kernel = Shared::open(NonZeroU32::new(4096).expect("not 0")).expect("a kernel side");
        let mut programs = Programs::load(
            &kernel.shared,
            TargetId(99),
            LinkLayer::Ethernet,
            &Direction::ALL,
            None,
        )
        .expect("programs");
        let attachment = pod
            .netns
            .open()
            .inside(|| programs.attach("eth0", &Direction::ALL, hook, None))
            .expect("the namespace")
            .expect("to attach");
        Self {
            programs,
            attachment,
            _kernel: kernel,
        }
    }

    fn seen(&self) -> u64 {
        let ledger = self.programs.ledger().expect("its ledger");
        ledger.total().seen.packets
    }

    fn remove(self, pod: &VethEnd) {
        pod.netns
            .open()
            .inside(|| self.attachment.remove("eth0"))
            .expect("the namespace")
            .expect("to detach");
    }
}
