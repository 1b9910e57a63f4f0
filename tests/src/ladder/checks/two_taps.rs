//! Two taps on one interface: each sees everything, and when the first goes
//! the other goes on.

use std::num::NonZeroU32;

use tap_userspace::{
    adapter::bpf::{Hook, Shared},
    agent::target::Target,
    model::{Directions, TargetId},
};
use tests::{Veth, tcp_transfer};

use crate::{hooks, quiet};

pub(super) fn check(hook: Hook) -> String {
    let veth = Veth::new();
    let kernel = Shared::open(NonZeroU32::new(1 << 24).expect("not 0")).expect("the kernel side");
    let netns = veth.pod.netns.open();
    let attach = |id| {
        Target::attach(
            &kernel.shared,
            TargetId(id),
            &netns,
            "eth0",
            Directions::Both,
            hook,
        )
        .expect("a target")
    };
    let read = |target: &Target| {
        quiet::read(
            || target.ledger().expect("the ledger"),
            || veth.pod.link().counters,
        )
    };
    let transfer = || {
        tcp_transfer(
            (&veth.pod, veth.pod.ipv4),
            (&veth.peer, veth.peer.ipv4),
            50_000,
        )
    };
    let (first, second) = (attach(1), attach(2));
    let before = [read(&first), read(&second)];
    transfer();
    let carried = quiet::assert_same(&before[0], &read(&first));
    first.detach(Some(&netns)).expect("to detach the first");
    transfer();
    let carried_in_all = quiet::assert_same(&before[1], &read(&second));
    assert!(carried_in_all > carried, "nothing after the first had gone");
    second.detach(Some(&netns)).expect("to detach the second");
    let left = hooks::present(&veth.pod);
    // The second did not add the qdisc that it shared, so an empty one stays.
    assert!(
        left.iter().all(|hook| hook == "qdisc clsact"),
        "left behind: {left:?}"
    );
    let left = if left.is_empty() {
        "nothing".into()
    } else {
        format!("an empty {}", left[0])
    };
    format!("{carried} skbs seen by both, {carried_in_all} by the second; {left} is left")
}
