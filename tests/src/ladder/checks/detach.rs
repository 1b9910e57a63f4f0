//! When a tap ends, the interface is as it was, and its traffic goes on.

use std::{
    num::NonZeroU32,
    thread,
    time::{Duration, Instant},
};

use aya::programs::tc::qdisc_add_clsact;
use tap_userspace::{
    adapter::bpf::{Hook, Shared},
    agent::target::Target,
    model::{Directions, TargetId},
};
use tests::{Veth, VethEnd, tcp_transfer};

use crate::hooks;

/// The kernel frees programs some time after their last user.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn check(hook: Hook) -> String {
    let veth = Veth::new();
    let before = hooks::present(&veth.pod);
    assert!(
        before.is_empty(),
        "before anything was attached: {before:?}"
    );
    let during = attach_and_detach(&veth.pod, hook);
    assert!(
        !during.is_empty(),
        "nothing is there although it is attached"
    );
    let left = hooks::present(&veth.pod);
    assert!(left.is_empty(), "left behind: {left:?}");
    let started = Instant::now();
    while hooks::loaded() > 0 {
        assert!(
            started.elapsed() < LIMIT,
            "{} programs stay loaded",
            hooks::loaded()
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "the kernel tells nobody when it frees a program"
        )]
        thread::sleep(Duration::from_millis(20));
    }
    tcp_transfer(
        (&veth.pod, veth.pod.ipv4),
        (&veth.peer, veth.peer.ipv4),
        10_000,
    );
    format!("{} were there, nothing is left", during.join(", "))
}

/// A qdisc that somebody else added is not taken away.
pub(super) fn foreign_qdisc(hook: Hook) -> String {
    let veth = Veth::new();
    veth.pod
        .netns
        .inside(|| qdisc_add_clsact("eth0"))
        .expect("a clsact qdisc");
    let before = hooks::present(&veth.pod);
    attach_and_detach(&veth.pod, hook);
    let after = hooks::present(&veth.pod);
    assert_eq!(after, before, "what was there before");
    format!("{} was there before and is still", before.join(", "))
}

/// Returns what was there in between.
fn attach_and_detach(pod: &VethEnd, hook: Hook) -> Vec<String> {
    let kernel = Shared::open(NonZeroU32::new(1 << 20).expect("not 0")).expect("the kernel side");
    let netns = pod.netns.open();
    let target = Target::attach(
        &kernel.shared,
        TargetId(1),
        &netns,
        "eth0",
        Directions::Both,
        hook,
    )
    .expect("a target");
    let during = hooks::present(pod);
    target.detach(Some(&netns)).expect("to detach");
    during
}
