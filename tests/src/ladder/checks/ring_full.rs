//! A full ring costs records, each of them counted, and no traffic.

use std::num::NonZeroU32;

use tap_common::Verdict;
use tap_userspace::{
    adapter::bpf::{Hook, Kernel, Shared},
    agent::target::Target,
    model::{Directions, TargetId},
};
use tests::{Veth, tcp_transfer};

/// The smallest that the kernel takes: one page.
const RING_BYTES: NonZeroU32 = NonZeroU32::new(4096).expect("not 0");

pub(super) fn check(hook: Hook) -> String {
    let veth = Veth::new();
    let Kernel {
        shared,
        mut ring,
        heartbeat: _heartbeat,
        log: _log,
        ..
    } = Shared::open(RING_BYTES).expect("the kernel side");
    let netns = veth.pod.netns.open();
    let target = Target::attach(&shared, TargetId(1), &netns, "eth0", Directions::Both, hook)
        .expect("a target");
    // Nobody reads the ring meanwhile.
    tcp_transfer(
        (&veth.pod, veth.pod.ipv4),
        (&veth.peer, veth.peer.ipv4),
        500_000,
    );
    let ledger = target.detach(Some(&netns)).expect("to detach");
    assert!(ledger.closes(), "the ledger does not close: {ledger:?}");
    let total = ledger.total();
    // A packet may come by between attaching and enabling: dormant.
    let [mirrored, lost, dormant] = [Verdict::Mirrored, Verdict::RingFull, Verdict::Dormant]
        .map(|verdict| total.count(verdict).packets);
    assert!(lost > 0 && mirrored > 0, "{total:?}");
    assert_eq!(mirrored + lost + dormant, total.seen.packets, "{total:?}");
    let mut records = 0;
    while ring.pop().is_some() {
        records += 1;
    }
    assert_eq!(records, mirrored, "records in the ring, and mirrored");
    format!(
        "{} skbs seen = {mirrored} mirrored + {lost} ring_full",
        total.seen.packets
    )
}
