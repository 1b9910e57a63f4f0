//! podtap's kernel side and datapath, on interfaces that a test chooses.

use std::collections::BTreeMap;

use tap_common::Verdict;
use tap_userspace::{
    adapter::{
        bpf::{Heartbeat, Hook, KernelLog, Shared, SharedOptions},
        netns::Netns,
        sink::Sink,
    },
    agent::{
        datapath::{Datapath, DatapathCounts, DatapathOptions},
        target::Target,
    },
    model::{Directions, Ledger, Segment, TargetId},
};

use crate::VethEnd;

/// A running datapath, and the targets whose records it gets.
#[derive(Debug)]
pub struct Tap {
    shared: Shared,
    datapath: Datapath,
    /// Those that stand, with their namespaces.
    targets: BTreeMap<TargetId, (Target, Netns)>,
    /// Records that were written for those that are gone.
    mirrored: u64,
    _heartbeat: Heartbeat,
    _log: KernelLog,
}

impl Tap {
    /// Opens the kernel side and starts a datapath with this sink alone. What
    /// the running kernel's `gso_type` means is put into its options.
    #[must_use]
    pub fn start(
        kernel: impl Into<SharedOptions>,
        datapath: DatapathOptions,
        sink: impl Sink + 'static,
    ) -> Self {
        let kernel = Shared::open(kernel).expect("the kernel side");
        let options = DatapathOptions {
            gso_types: kernel.gso_types,
            ..datapath
        };
        Self {
            shared: kernel.shared,
            datapath: Datapath::start(kernel.ring, options, vec![Box::new(sink)])
                .expect("the datapath"),
            targets: BTreeMap::new(),
            mirrored: 0,
            _heartbeat: kernel.heartbeat,
            _log: kernel.log,
        }
    }

    /// Taps an end's `eth0`, both ways.
    pub fn attach(&mut self, id: TargetId, end: &VethEnd, hook: Hook) {
        let netns = end.netns.open();
        self.datapath.announce(id, Segment::Wire);
        let target = Target::attach(&self.shared, id, &netns, "eth0", Directions::Both, hook)
            .expect("a target");
        let before = self.targets.insert(id, (target, netns));
        assert!(before.is_none(), "two targets have the id {id:?}");
    }

    /// One that stands.
    #[must_use]
    pub fn target(&self, id: TargetId) -> &Target {
        let (target, _) = self.targets.get(&id).expect("a target that stands");
        target
    }

    /// Ends one target; the others go on. Panics unless its ledger closes, and
    /// nothing was lost.
    pub fn detach(&mut self, id: TargetId) {
        let (target, netns) = self.targets.remove(&id).expect("a target that stands");
        self.mirrored += mirrored(target, &netns);
        self.datapath.retire(id);
    }

    /// Ends all targets that stand, and empties the ring. Panics unless their
    /// ledgers close, nothing was lost, and each record that was written came
    /// out and could be read.
    pub fn finish(mut self) -> DatapathCounts {
        // Not retired: while records are left, so are those who saw them.
        for (target, netns) in self.targets.into_values() {
            self.mirrored += mirrored(target, &netns);
        }
        let finished = self.datapath.finish();
        assert!(finished.error.is_none(), "{:?}", finished.error);
        let counts = finished.counts;
        assert_eq!(
            self.mirrored, counts.records,
            "mirrored, and records out of the ring"
        );
        assert_eq!(counts.undecodable, 0, "{counts:?}");
        counts
    }
}

/// Ends a target. Returns for how many skbs it wrote a record: for all, but
/// that one may come by between attaching and enabling.
fn mirrored(target: Target, netns: &Netns) -> u64 {
    let ledger: Ledger = target.detach(Some(netns)).expect("to detach");
    assert!(ledger.closes(), "the ledger does not close: {ledger:?}");
    let total = ledger.total();
    let [mirrored, dormant] =
        [Verdict::Mirrored, Verdict::Dormant].map(|verdict| total.count(verdict).packets);
    assert_eq!(
        mirrored + dormant,
        total.seen.packets,
        "some were lost: {total:?}"
    );
    mirrored
}
