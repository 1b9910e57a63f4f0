//! What the machine does to packets that is neither podtap's doing nor to be
//! compared.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tests::TestNetns;

/// Packets that a namespace's `eth0` dropped on their way out.
pub(crate) fn dropped(netns: &TestNetns) -> u64 {
    let table = netns
        .inside(|| fs::read_to_string("/proc/thread-self/net/dev"))
        .expect("the interfaces' counters");
    let line = table
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("eth0:"));
    // Eight columns of what was received; packets, bytes, errors, drops.
    line.and_then(|line| line.split_whitespace().nth(8 + 3))
        .and_then(|count| count.parse().ok())
        .expect("the drops of eth0")
}

/// Keeps the calling thread, and those that it starts from then on, on one
/// processor: two processors' backlogs have no order. Tests take turns.
pub(crate) fn stay_on_one_processor() {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let allowed = sched_getaffinity(None).expect("the processors");
    let turn = TURN.fetch_add(1, Ordering::Relaxed) % allowed.count() as usize;
    let processor = (0..CpuSet::MAX_CPU)
        .filter(|processor| allowed.is_set(*processor))
        .nth(turn)
        .expect("a processor");
    let mut processors = CpuSet::new();
    processors.set(processor);
    sched_setaffinity(None, &processors).expect("to stay on it");
}
