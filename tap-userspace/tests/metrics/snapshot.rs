//! An agent that has met everything.

use std::{collections::BTreeMap, time::Duration};

use tap_common::{Count, LedgerRow, Verdict};
use tap_userspace::{
    adapter::kube::{ApiState, EventCounts},
    agent::{
        datapath::{DatapathCounts, TargetCounts},
        metrics::{Snapshot, TappingSnapshot, TargetSnapshot},
    },
    engine::{delay::Delays, framer::FramerCounts},
    model::{Ledger, TargetId, pod::PodKey},
};

/// Two targets of one pod, one of another, and some that have ended.
pub(crate) fn filled() -> Snapshot {
    let tapping = TappingSnapshot {
        targets: vec![
            target(1, "shop", "web", 100),
            target(2, "shop", "web", 10),
            target(3, "bank", "web", 1),
        ],
        retired: ledger(1000),
        attached_pods: 2,
        refused: vec!["host_network", "host_network", "attach_failed"],
        failures: 9,
        timings: Default::default(),
    };
    tapping.timings.resolved(Duration::from_millis(3));
    tapping.timings.attached(Duration::from_millis(40));
    tapping.timings.attached(Duration::from_secs(60));
    Snapshot {
        version: "1.2.3",
        node: "n1".into(),
        tap: "podtap0".into(),
        metadata: "kfuncs",
        ring_bytes: 1 << 26,
        tap_readers: Some(2),
        is_paused: false,
        is_ready: true,
        api: ApiState::Away,
        events: EventCounts {
            sent: 5,
            failed: 2,
            dropped: 1,
            limited: 1,
        },
        events_queued: 7,
        wanted_pods: 3,
        tapping,
        datapath: datapath(),
    }
}

/// Of both directions: so many skbs seen, of 100 bytes each, all mirrored but
/// one, which the ring had no room for. As many again were sent.
pub(crate) fn ledger(skbs: u64) -> Ledger {
    let count = |packets| Count {
        packets,
        bytes: packets * 100,
    };
    let mut row = LedgerRow {
        seen: count(skbs),
        ..LedgerRow::default()
    };
    for (verdict, packets) in [(Verdict::Mirrored, skbs - 1), (Verdict::RingFull, 1)] {
        row.verdicts[verdict.index()] = count(packets);
    }
    Ledger {
        received: row,
        sent: row,
    }
}

fn target(id: u32, namespace: &str, pod: &str, skbs: u64) -> TargetSnapshot {
    TargetSnapshot {
        id: TargetId(id),
        pod: PodKey {
            namespace: namespace.into(),
            name: pod.into(),
        },
        ledger: ledger(skbs),
        is_blind: id == 2,
    }
}

fn datapath() -> DatapathCounts {
    let counts = |delivered| TargetCounts {
        records: delivered + 3,
        frames: delivered + 3,
        frame_bytes: (delivered + 3) * 100,
        delivered,
        refused: 1,
        duplicates: 2,
        ..TargetCounts::default()
    };
    let mut delays = Delays::default();
    for delay_ns in [1_000, 400_000, 400_000, 60_000_000_000] {
        delays.record(delay_ns);
    }
    DatapathCounts {
        records: 1111,
        undecodable: 1,
        framer: FramerCounts {
            malformed_left_out: 4,
            ..FramerCounts::default()
        },
        // The third has met no packet yet.
        targets: BTreeMap::from([(TargetId(1), counts(50)), (TargetId(2), counts(5))]),
        delays,
        retired: counts(500),
    }
}
