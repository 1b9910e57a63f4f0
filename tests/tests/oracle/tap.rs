//! podtap on one interface, with the whole of its datapath behind it.

use std::num::NonZeroU32;

use tap_common::{Direction, Metadata, Verdict};
use tap_userspace::{
    adapter::{
        bpf::{Heartbeat, Hook, KernelLog, MetadataWay, Shared, SharedOptions},
        netns::Netns,
    },
    agent::{
        datapath::{Datapath, DatapathOptions},
        target::Target,
    },
    engine::framer::FramerCounts,
    model::TargetId,
};
use tests::VethEnd;

use crate::collector::Collector;

/// Room for all that is on its way at once.
const RING_BYTES: NonZeroU32 = NonZeroU32::new(1 << 25).expect("not 0");

/// Each way to know an skb. This kernel has them all.
pub(crate) const RUNGS: [Metadata; 3] = [Metadata::Kfuncs, Metadata::ProbeReads, Metadata::Helpers];

/// A running tap of an end's `eth0`.
#[derive(Debug)]
pub(crate) struct Tap {
    netns: Netns,
    target: Target,
    datapath: Datapath,
    _heartbeat: Heartbeat,
    _log: KernelLog,
}

impl Tap {
    pub(crate) fn start(end: &VethEnd, frames: &Collector, metadata: Metadata) -> Self {
        let options = SharedOptions {
            ring_bytes: RING_BYTES,
            metadata: MetadataWay::Only(metadata),
        };
        let kernel = Shared::open(options).expect("the kernel side");
        let datapath = Datapath::start(
            kernel.ring,
            DatapathOptions {
                gso_types: kernel.gso_types,
                ..DatapathOptions::default()
            },
            vec![Box::new(frames.clone())],
        )
        .expect("the datapath");
        let netns = end.netns.open();
        let target = Target::attach(
            &kernel.shared,
            TargetId(1),
            &netns,
            "eth0",
            &Direction::ALL,
            Hook::Auto,
        )
        .expect("a target");
        Self {
            netns,
            target,
            datapath,
            _heartbeat: kernel.heartbeat,
            _log: kernel.log,
        }
    }

    /// Detaches and empties the ring. Panics unless every skb that was seen
    /// came out of it.
    pub(crate) fn finish(self) -> FramerCounts {
        let ledger = self.target.detach(Some(&self.netns)).expect("to detach");
        let finished = self.datapath.finish();
        assert!(finished.error.is_none(), "{:?}", finished.error);
        let total = ledger.total();
        assert!(ledger.closes(), "the ledger does not close: {ledger:?}");
        assert_eq!(
            total.count(Verdict::Mirrored).packets + total.count(Verdict::Dormant).packets,
            total.seen.packets,
            "some were lost: {total:?}"
        );
        assert_eq!(finished.counts.undecodable, 0, "{:?}", finished.counts);
        finished.counts.framer
    }
}
