//! Within a second of the last heartbeat nothing is copied any more.

use std::{num::NonZeroU32, thread, time::Duration};

use tap_common::{HEARTBEAT_TIMEOUT_NS, Verdict};
use tap_userspace::{
    adapter::bpf::{Hook, Kernel, Shared},
    agent::target::Target,
    model::{Directions, TargetId},
};
use tests::{Veth, tcp_transfer};

pub(super) fn check(hook: Hook) -> String {
    let veth = Veth::new();
    let Kernel {
        shared,
        ring: _ring,
        heartbeat,
        log: _log,
        ..
    } = Shared::open(NonZeroU32::new(1 << 25).expect("not 0")).expect("the kernel side");
    let netns = veth.pod.netns.open();
    let target = Target::attach(&shared, TargetId(1), &netns, "eth0", Directions::Both, hook)
        .expect("a target");
    let transfer = || {
        tcp_transfer(
            (&veth.pod, veth.pod.ipv4),
            (&veth.peer, veth.peer.ipv4),
            100_000,
        )
    };
    let away = || {
        let total = target.ledger().expect("the ledger").total();
        (
            total.count(Verdict::AgentAway).packets,
            total.count(Verdict::Mirrored).packets,
        )
    };
    transfer();
    let (away_before, mirrored_before) = away();
    assert!(
        away_before == 0 && mirrored_before > 0,
        "while it beats: {away_before} lost"
    );
    drop(heartbeat);
    #[expect(
        clippy::disallowed_methods,
        reason = "a heartbeat that grows old tells nobody"
    )]
    thread::sleep(Duration::from_nanos(HEARTBEAT_TIMEOUT_NS));
    let mirrored_before = away().1;
    transfer();
    let (away, mirrored) = away();
    assert!(away > 0, "nothing was counted");
    assert_eq!(mirrored, mirrored_before, "copied although nobody reads");
    let ledger = target.detach(Some(&netns)).expect("to detach");
    assert!(ledger.closes(), "the ledger does not close: {ledger:?}");
    format!("{mirrored} skbs mirrored before, {away} agent_away after")
}
