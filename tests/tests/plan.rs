//! What `podtap plan` counts of a pod, before anything is attached to it.
//!
//! If this fails, a sensor is sized by wrong numbers, or looking at pods
//! touches them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

use tap_userspace::{
    adapter::process::ProcDir,
    agent::survey::{Begun, SurveyOptions},
    model::{
        opt_in::Own,
        pod::{Phase, Pod, PodKey, PodUid},
        rate::Rate,
        settings::Annotations,
        survey::{Prospect, Survey},
    },
};
use tempfile::TempDir;
use tests::{DEADLINE, PacketSocket, Residue, Veth, craft, eventually};

const UIDS: [&str; 2] = [
    "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e",
    "11111111-2222-3333-4444-555555555555",
];
const LAST: &str = "the last frame";

#[test]
#[ignore = "needs root"]
fn root_what_a_pod_carries_is_counted_and_nothing_is_attached() {
    let veth = Veth::ipv4_only();
    let (pod, peer) = (veth.pod.packet_socket(), veth.peer.packet_socket());
    wait_until_frames_pass(&pod, &peer);
    wait_until_frames_pass(&peer, &pod);
    let proc = proc_with(&veth);

    let outer = Instant::now();
    let begun = begin(&proc, &[pod_named("web", 0), pod_named("gone", 1)]);
    let inner = Instant::now();
    let (sent, received) = ([0x5a; 986], [0x5a; 486]);
    for _ in 0..200 {
        let frame = craft::plain(craft::EXPERIMENTAL, &sent);
        pod.send(&frame).expect("to send");
    }
    for _ in 0..50 {
        let frame = craft::plain(craft::EXPERIMENTAL, &received);
        peer.send(&frame).expect("to send");
    }
    // What its namespace has received is counted.
    peer.send(&craft::marker(LAST)).expect("to send");
    receive_until(&pod, LAST);
    let inner = inner.elapsed();
    let survey = begun.end(Duration::from_secs(1));
    let outer = outer.elapsed();

    let [gone, web] = survey.pods.as_slice() else {
        panic!("{survey:?}");
    };
    assert_eq!(web.prospect, Prospect::WouldBeTapped, "{web:?}");
    let [eth0] = web.interfaces.as_slice() else {
        panic!("{web:?}");
    };
    assert_eq!(eth0.interface, "eth0");
    let within = (inner, outer);
    assert_rate(eth0.sent, 200, 200 * 1000, within);
    assert_rate(eth0.received, 51, 50 * 500 + 60, within);
    // One that has no process here would be tapped, and how much nobody knows.
    assert_eq!(gone.prospect, Prospect::WouldBeTapped);
    assert!(
        gone.message
            .as_ref()
            .is_some_and(|text| text.contains("no process"))
    );
    let total = &survey.total;
    assert_eq!((total.pods, total.unknown), (2, 1));
    assert_eq!(
        (Some(total.received), Some(total.sent)),
        (eth0.received, eth0.sent)
    );
    Residue::assert_none(&[&veth.pod.netns, &veth.peer.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_an_interface_that_is_gone_or_made_anew_has_no_rate() {
    for again in ["", "ip link add eth0 type veth peer name other"] {
        let veth = Veth::ipv4_only();
        let proc = proc_with(&veth);
        let begun = begin(&proc, &[pod_named("web", 0)]);
        veth.pod.netns.run("ip link del eth0");
        if !again.is_empty() {
            veth.pod.netns.run(again);
        }
        let Survey { pods, total, .. } = begun.end(Duration::from_secs(1));
        let [eth0] = pods[0].interfaces.as_slice() else {
            panic!("{pods:?}");
        };
        assert_eq!((eth0.received, eth0.sent), (None, None), "{again}");
        assert_eq!((total.pods, total.unknown), (1, 1));
    }
}

/// A pod of this machine; its number says which of [`UIDS`] it has.
fn pod_named(name: &str, number: usize) -> Pod {
    Pod {
        key: PodKey {
            namespace: "shop".into(),
            name: name.into(),
        },
        uid: PodUid::parse(UIDS[number]).expect("a UID"),
        static_hash: None,
        created_s: None,
        node: None,
        ips: Vec::new(),
        host_network: false,
        phase: Phase::Running,
        deleting: false,
        tap_label: None,
        app_label: None,
        annotations: Annotations::default(),
    }
}

/// A node's `/proc` with its process 1, and one of the first pod.
fn proc_with(veth: &Veth) -> TempDir {
    let proc = tempfile::tempdir().expect("a folder");
    let add = |pid: &str, cgroup: &str, netns: &Path| {
        let folder = proc.path().join(pid);
        fs::create_dir_all(folder.join("ns")).expect("a folder");
        fs::write(folder.join("cgroup"), cgroup).expect("a file");
        symlink(netns, folder.join("ns/net")).expect("a link");
    };
    add("1", "0::/init.scope\n", Path::new("/proc/self/ns/net"));
    let cgroup = format!("0::/kubepods/pod{}/c\n", UIDS[0]);
    add("100", &cgroup, &veth.pod.netns.path());
    proc
}

fn begin(proc: &TempDir, pods: &[Pod]) -> Begun {
    let options = SurveyOptions {
        node: "n1".into(),
        proc: ProcDir::new(proc.path()),
        own: Own::default(),
        as_if_labelled: true,
    };
    Begun::new(options, pods.to_vec(), &BTreeMap::new(), None)
}

/// Some time after both ends are up.
fn wait_until_frames_pass(from: &PacketSocket, to: &PacketSocket) {
    eventually("frames pass", || {
        // Refused while the interface is down.
        let _ = from.send(&craft::marker("the first frame"));
        let heard = to.receive(Duration::from_millis(5)).expect("to receive");
        heard.filter(|frame| has(frame, "the first frame"))
    });
}

fn receive_until(socket: &PacketSocket, words: &str) {
    loop {
        let frame = socket.receive(DEADLINE).expect("to receive");
        if has(&frame.expect("the frame in time"), words) {
            return;
        }
    }
}

fn has(frame: &[u8], words: &str) -> bool {
    frame
        .windows(words.len())
        .any(|part| part == words.as_bytes())
}

/// The counters were read somewhere between the shorter and the longer time.
fn assert_rate(rate: Option<Rate>, packets: u64, bytes: u64, within: (Duration, Duration)) {
    let rate = rate.expect("a rate");
    let (shorter, longer) = (within.0.as_secs_f64(), within.1.as_secs_f64());
    for (name, per_s, count) in [
        ("packets", rate.packets_per_s, packets),
        ("bits", rate.bits_per_s, bytes * 8),
    ] {
        let (per_s, count) = (per_s as f64, count as f64);
        assert!(
            (count / longer).floor() <= per_s && per_s <= (count / shorter).ceil(),
            "{count} {name} in {shorter} to {longer} s are no {per_s} a second"
        );
    }
}
