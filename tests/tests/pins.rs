//! A tap that is pinned outlives its process, and the next one takes it over.
//!
//! If this fails, each restart of the agent is a hole in what the sensor sees,
//! or a crashed agent's taps stay on the pods for ever.

use std::{fs, num::NonZeroU32, path::Path, sync::Arc};

use aya::maps::{Array, Map, MapData};
use rustix::time::{ClockId, clock_gettime};
use tap_common::{HEARTBEAT_TIMEOUT_NS, Verdict};
use tap_userspace::{
    adapter::{
        bpf::{
            Heartbeat, Hook, KernelLog, MetadataWay, PinKey, Pins, Shared, SharedOptions,
            TargetPins,
        },
        link::Links,
        netns::Netns,
    },
    agent::{
        datapath::{Datapath, DatapathCounts, DatapathOptions},
        target::{Target, TargetOptions},
    },
    model::{Directions, Ledger, Segment, TargetId, pod::PodUid},
};
use tests::{
    Collector, Frames, Hooks, Residue, TestBpffs, Transfer, Veth, eventually, frame, tcp_transfer,
};

const RING_BYTES: NonZeroU32 = NonZeroU32::new(1 << 25).expect("not 0");
const TRANSFER_BYTES: usize = 1_000_000;
const NODE: &str = "n1.example";
const ID: TargetId = TargetId(7);

#[test]
#[ignore = "needs root"]
fn root_what_passes_between_two_agents_is_delivered_by_the_second() {
    let (bpffs, veth) = (TestBpffs::new(), Veth::ipv4_only());
    let first = Agent::start(&bpffs, RING_BYTES);
    let pins = first.add(&veth);
    let target = first.attach(&veth, pins, Directions::Both);
    let before = transfer(&veth);
    let mut frames = first.leave(target);

    // Nobody is there, and the heart's last beat is not long ago.
    let between = transfer(&veth);

    let mut second = Agent::start(&bpffs, RING_BYTES);
    let pins = second.left.pop().expect("a target that was left").1;
    assert_eq!(pins.id, ID);
    let target = second.attach(&veth, pins, Directions::Both);
    let after = transfer(&veth);
    let (ledger, counts, more) = second.end(target, &veth);
    frames.extend(more);

    for transfer in [&before, &between, &after] {
        frame::assert_carries(&frames, transfer);
    }
    let total = ledger.total();
    assert!(ledger.closes(), "{ledger:?}");
    // The ledger is that of both; so is what came out of the ring.
    let [mirrored, dormant] =
        [Verdict::Mirrored, Verdict::Dormant].map(|verdict| total.count(verdict).packets);
    assert_eq!(mirrored + dormant, total.seen.packets, "{total:?}");
    assert!(counts.records < mirrored, "some came out at the first");
    assert_empty(&bpffs);
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_what_passes_when_nobody_comes_is_counted_as_agent_away() {
    let (bpffs, veth) = (TestBpffs::new(), Veth::ipv4_only());
    let first = Agent::start(&bpffs, RING_BYTES);
    let pins = first.add(&veth);
    let target = first.attach(&veth, pins, Directions::Both);
    first.leave(target);
    eventually("the last beat is long ago", || {
        let age_ns = monotonic_ns() - last_beat_ns(&bpffs);
        (age_ns > HEARTBEAT_TIMEOUT_NS).then_some(())
    });
    let unseen = transfer(&veth);

    let mut second = Agent::start(&bpffs, RING_BYTES);
    let pins = second.left.pop().expect("a target that was left").1;
    let target = second.attach(&veth, pins, Directions::Both);
    let seen = transfer(&veth);
    let (ledger, _, frames) = second.end(target, &veth);
    frame::assert_carries(&frames, &seen);
    assert!(ledger.closes(), "{ledger:?}");
    let away = ledger.total().count(Verdict::AgentAway);
    assert!(away.bytes > TRANSFER_BYTES as u64, "{away:?} of {unseen:?}");
    assert_empty(&bpffs);
}

#[test]
#[ignore = "needs root"]
fn root_a_target_that_paused_goes_on_with_the_second_agent() {
    let (bpffs, veth) = (TestBpffs::new(), Veth::ipv4_only());
    let first = Agent::start(&bpffs, RING_BYTES);
    let pins = first.add(&veth);
    let mut target = first.attach(&veth, pins, Directions::Both);
    target.enable(false).expect("to pause");
    let unseen = transfer(&veth);
    first.leave(target);

    let mut second = Agent::start(&bpffs, RING_BYTES);
    let pins = second.left.pop().expect("a target that was left").1;
    let target = second.attach(&veth, pins, Directions::Both);
    let seen = transfer(&veth);
    let (ledger, _, frames) = second.end(target, &veth);
    frame::assert_carries(&frames, &seen);
    assert!(ledger.closes(), "{ledger:?}");
    let dormant = ledger.total().count(Verdict::Dormant);
    assert!(
        dormant.bytes > TRANSFER_BYTES as u64,
        "{dormant:?} of {unseen:?}"
    );
    assert_empty(&bpffs);
}

#[test]
#[ignore = "needs root"]
fn root_a_target_that_is_not_taken_over_ends() {
    let (bpffs, veth) = (TestBpffs::new(), Veth::ipv4_only());
    let first = Agent::start(&bpffs, RING_BYTES);
    let pins = first.add(&veth);
    let target = first.attach(&veth, pins, Directions::Both);
    first.leave(target);
    assert!(Hooks::of(&veth.pod.netns, "eth0").has_podtap());
    let second = Agent::start(&bpffs, RING_BYTES);
    assert_eq!(second.left.len(), 1);
    drop(second);
    Residue::assert_none(&[&veth.pod.netns]);
    assert_empty(&bpffs);
}

#[test]
#[ignore = "needs root"]
fn root_a_direction_that_is_not_wanted_any_more_ends() {
    let (bpffs, veth) = (TestBpffs::new(), Veth::ipv4_only());
    let first = Agent::start(&bpffs, RING_BYTES);
    let pins = first.add(&veth);
    let target = first.attach(&veth, pins, Directions::Both);
    first.leave(target);
    let mut second = Agent::start(&bpffs, RING_BYTES);
    let pins = second.left.pop().expect("a target that was left").1;
    let target = second.attach(&veth, pins, Directions::Out);
    eventually("only what the pod sends is tapped", || {
        let hooks = Hooks::of(&veth.pod.netns, "eth0");
        (hooks.tcx_ingress.is_empty() && hooks.tcx_egress.len() == 1).then_some(())
    });
    second.end(target, &veth);
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_the_hook_that_is_asked_for_goes_before_what_is_pinned() {
    let (bpffs, veth) = (TestBpffs::new(), Veth::ipv4_only());
    let first = Agent::start(&bpffs, RING_BYTES);
    let pins = first.add(&veth);
    let target = first.attach(&veth, pins, Directions::Both);
    first.leave(target);
    let mut second = Agent::start(&bpffs, RING_BYTES);
    let pins = second.left.pop().expect("a target that was left").1;
    let target = second.attach_by(Hook::Clsact, &veth, pins, Directions::Both);
    assert_eq!(target.hook(), Hook::Clsact);
    eventually("filters alone are there", || {
        let hooks = Hooks::of(&veth.pod.netns, "eth0");
        (hooks.tcx_ingress.is_empty() && hooks.filters_ingress.len() == 1).then_some(())
    });
    assert_empty(&bpffs);
    second.end(target, &veth);
    Residue::assert_none(&[&veth.pod.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_pins_of_an_interface_that_is_gone_are_no_obstacle() {
    let (bpffs, veth) = (TestBpffs::new(), Veth::ipv4_only());
    let first = Agent::start(&bpffs, RING_BYTES);
    let pins = first.add(&veth);
    let target = first.attach(&veth, pins, Directions::Both);
    first.leave(target);
    drop(veth);
    // Another pod's interface, which by chance has the numbers of the first.
    let veth = Veth::ipv4_only();
    let mut second = Agent::start(&bpffs, RING_BYTES);
    let pins = second.left.pop().expect("a target that was left").1;
    let target = second.attach(&veth, pins, Directions::Both);
    let sent = transfer(&veth);
    let (_, _, frames) = second.end(target, &veth);
    frame::assert_carries(&frames, &sent);
    assert_empty(&bpffs);
}

#[test]
#[ignore = "needs root"]
fn root_cleaning_up_removes_what_is_left_and_refuses_what_is_used() {
    let (bpffs, veth) = (TestBpffs::new(), Veth::ipv4_only());
    assert_eq!(Pins::remove_all(&bpffs.path()).expect("nothing to do"), 0);
    let theirs = bpffs.path().join("another-tool");
    fs::create_dir(&theirs).expect("a folder");
    let agent = Agent::start(&bpffs, RING_BYTES);
    let pins = agent.add(&veth);
    let target = agent.attach(&veth, pins, Directions::Both);
    let error = Pins::remove_all(&bpffs.path()).expect_err("in use");
    assert!(error.to_string().contains("end it first"), "{error}");
    agent.leave(target);
    assert_eq!(Pins::remove_all(&bpffs.path()).expect("to clean up"), 1);
    Residue::assert_none(&[&veth.pod.netns]);
    assert!(!bpffs.path().join("podtap").exists());
    assert!(theirs.exists(), "another tool's pins");
}

#[test]
#[ignore = "needs root"]
fn root_two_agents_of_a_node_do_not_read_one_ring() {
    let bpffs = TestBpffs::new();
    let pins = || Pins::open(&bpffs.path(), NODE).expect("pins");
    let first = pins().expect("nobody else has them");
    assert!(pins().is_none(), "a second agent has them too");
    assert!(
        Pins::open(&bpffs.path(), "n2").expect("pins").is_some(),
        "another node's"
    );
    drop(first);
    assert!(pins().is_some());
}

#[test]
#[ignore = "needs root"]
fn root_a_ring_of_another_size_is_made_when_nobody_uses_the_old_one() {
    let bpffs = TestBpffs::new();
    for ring_bytes in [RING_BYTES, NonZeroU32::new(1 << 20).expect("not 0")] {
        drop(Agent::start(&bpffs, ring_bytes));
        assert_eq!(pinned_ring_bytes(&bpffs), ring_bytes.get());
    }
}

#[test]
#[ignore = "needs root"]
fn root_what_is_no_bpf_file_system_is_refused_by_name() {
    let error = Pins::open(Path::new("/proc"), NODE).expect_err("no bpffs");
    assert_eq!(
        error.to_string(),
        "/proc is no bpf file system: mount the node's into the container"
    );
}

/// What an agent is of the kernel side and the datapath.
struct Agent {
    shared: Shared,
    left: Vec<(PinKey, TargetPins)>,
    datapath: Datapath,
    frames: Collector,
    heartbeat: Heartbeat,
    _log: KernelLog,
}

impl Agent {
    fn start(bpffs: &TestBpffs, ring_bytes: NonZeroU32) -> Self {
        let pins = Pins::open(&bpffs.path(), NODE).expect("pins");
        let pins = pins.expect("the agent before has ended");
        let kernel = Shared::open(SharedOptions {
            ring_bytes,
            metadata: MetadataWay::Auto,
            pins: Some(pins),
        })
        .expect("the kernel side");
        let frames = Collector::default();
        let options = DatapathOptions {
            gso_types: kernel.gso_types,
            ..DatapathOptions::default()
        };
        Self {
            shared: kernel.shared,
            left: kernel.left,
            datapath: Datapath::start(kernel.ring, options, vec![Box::new(frames.clone())])
                .expect("the datapath"),
            frames,
            heartbeat: kernel.heartbeat,
            _log: kernel.log,
        }
    }

    fn add(&self, veth: &Veth) -> TargetPins {
        let key = PinKey {
            uid: PodUid::parse("8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e").expect("a UID"),
            netns_inode: veth.pod.netns.open().inode(),
            ifindex: veth.pod.link().index,
        };
        let pins: &Arc<Pins> = self.shared.pins().expect("pins");
        pins.add(&key, ID).expect("a place for pins")
    }

    fn attach(&self, veth: &Veth, pins: TargetPins, directions: Directions) -> Target {
        self.attach_by(Hook::Tcx, veth, pins, directions)
    }

    fn attach_by(
        &self,
        hook: Hook,
        veth: &Veth,
        pins: TargetPins,
        directions: Directions,
    ) -> Target {
        let netns: Netns = veth.pod.netns.open();
        let link = netns
            .inside(|| Links::open()?.by_name("eth0"))
            .expect("the namespace")
            .expect("eth0");
        self.datapath.announce(pins.id, Segment::Wire);
        let options = TargetOptions {
            is_enabled: true,
            id: pins.id,
            directions,
            hook,
            pins: Some(pins),
        };
        Target::attach_link(&self.shared, &netns, link, options).expect("a target")
    }

    /// Ends, and leaves the tap as it is. What is read is delivered.
    fn leave(self, target: Target) -> Frames {
        assert!(target.leave().is_none(), "it is not pinned");
        drop(self.heartbeat);
        let finished = self.datapath.finish();
        assert!(finished.error.is_none(), "{:?}", finished.error);
        self.frames.take()
    }

    /// Ends the tap, and then itself.
    fn end(self, target: Target, veth: &Veth) -> (Ledger, DatapathCounts, Frames) {
        let ledger = target
            .detach(Some(&veth.pod.netns.open()))
            .expect("to detach");
        let finished = self.datapath.finish();
        assert!(finished.error.is_none(), "{:?}", finished.error);
        (ledger, finished.counts, self.frames.take())
    }
}

/// Panics if a target's pins are there.
fn assert_empty(bpffs: &TestBpffs) {
    assert_eq!(bpffs.targets(NODE), [] as [String; 0]);
    assert!(bpffs.of(NODE).is_dir());
}

fn last_beat_ns(bpffs: &TestBpffs) -> u64 {
    let beats = MapData::from_pin(bpffs.of(NODE).join("HEARTBEAT")).expect("the heartbeat");
    let beats = Map::from_map_data(beats).expect("a map");
    let beats = Array::<_, u64>::try_from(beats).expect("an array");
    beats.get(&0, 0).expect("a beat")
}

fn pinned_ring_bytes(bpffs: &TestBpffs) -> u32 {
    let ring = MapData::from_pin(bpffs.of(NODE).join("RING")).expect("the ring");
    ring.info().expect("of the ring").max_entries()
}

/// `CLOCK_MONOTONIC`: the clock of the heartbeat.
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn transfer(veth: &Veth) -> Transfer {
    tcp_transfer(
        (&veth.pod, veth.pod.ipv4),
        (&veth.peer, veth.peer.ipv4),
        TRANSFER_BYTES,
    )
}
