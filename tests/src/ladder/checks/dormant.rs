//! A target that is not enabled counts, and lets nothing through.

use std::num::NonZeroU32;

use tap_common::{Direction, LinkLayer, Verdict};
use tap_userspace::{
    adapter::bpf::{Hook, Kernel, Programs, Shared},
    model::TargetId,
};
use tests::{Veth, tcp_transfer};

pub(super) fn check(hook: Hook) -> String {
    let veth = Veth::new();
    let Kernel {
        shared,
        mut ring,
        heartbeat: _heartbeat,
        log: _log,
        ..
    } = Shared::open(NonZeroU32::new(1 << 20).expect("not 0")).expect("the kernel side");
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
    tcp_transfer(
        (&veth.pod, veth.pod.ipv4),
        (&veth.peer, veth.peer.ipv4),
        100_000,
    );
    netns
        .inside(|| attachment.remove("eth0"))
        .expect("the namespace")
        .expect("to detach");
    let ledger = programs.ledger().expect("the ledger");
    assert!(ledger.closes(), "the ledger does not close: {ledger:?}");
    let total = ledger.total();
    assert!(total.seen.packets > 0, "nothing was seen");
    assert_eq!(total.count(Verdict::Dormant), total.seen, "{total:?}");
    assert!(ring.pop().is_none(), "a record of a dormant target");
    format!("{0} skbs seen = {0} dormant, no record", total.seen.packets)
}
