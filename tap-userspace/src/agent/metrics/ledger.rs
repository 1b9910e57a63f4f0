//! The kernel's ledger.

use std::{collections::BTreeMap, fmt};

use tap_common::{Count, Direction, LedgerRow, Verdict};

use super::{Families, Snapshot, families::LabelSet};
use crate::model::{Ledger, pod::PodKey};

/// Of the node: ended targets included, so that nothing ever goes down.
pub(super) fn encode(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let tapping = &snapshot.tapping;
    let mut ledgers: Vec<_> = tapping.targets.iter().map(|target| target.ledger).collect();
    ledgers.push(tapping.retired);
    let whole = [(LabelSet::new(), Ledger::together(&ledgers))];
    families.counters(
        "podtap_seen_skbs",
        "skbs that passed tapped interfaces, ended targets included.",
        seen(&whole, |count| count.packets),
    )?;
    families.counters(
        "podtap_seen_bytes",
        "Bytes of the skbs that passed tapped interfaces, ended targets included.",
        seen(&whole, |count| count.bytes),
    )?;
    families.counters(
        "podtap_verdict_skbs",
        "What became of the skbs that were seen, ended targets included.",
        verdicts(&whole, |count| count.packets),
    )?;
    families.counters(
        "podtap_verdict_bytes",
        "What became of the bytes that were seen, ended targets included.",
        verdicts(&whole, |count| count.bytes),
    )
}

/// Of each pod that is tapped: gone with the pod.
pub(super) fn encode_by_pod(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    // A pod's interfaces together; a pod and its successor by the same name
    // are one series.
    let mut pods: BTreeMap<&PodKey, Vec<Ledger>> = BTreeMap::new();
    for target in &snapshot.tapping.targets {
        pods.entry(&target.pod).or_default().push(target.ledger);
    }
    let pods: Vec<_> = pods
        .into_iter()
        .map(|(pod, ledgers)| (pod_labels(pod), Ledger::together(&ledgers)))
        .collect();
    families.counters(
        "podtap_pod_seen_skbs",
        "skbs that passed the pod's tapped interfaces.",
        seen(&pods, |count| count.packets),
    )?;
    families.counters(
        "podtap_pod_seen_bytes",
        "Bytes of the skbs that passed the pod's tapped interfaces.",
        seen(&pods, |count| count.bytes),
    )?;
    families.counters(
        "podtap_pod_verdict_skbs",
        "What became of the pod's skbs.",
        verdicts(&pods, |count| count.packets),
    )?;
    families.counters(
        "podtap_pod_verdict_bytes",
        "What became of the bytes of the pod's skbs.",
        verdicts(&pods, |count| count.bytes),
    )
}

/// A pod's identity.
pub(super) fn pod_labels(pod: &PodKey) -> LabelSet {
    vec![
        ("namespace", pod.namespace.clone()),
        ("pod", pod.name.clone()),
    ]
}

fn seen(
    ledgers: &[(LabelSet, Ledger)],
    number: impl Fn(Count) -> u64,
) -> impl Iterator<Item = (LabelSet, u64)> {
    rows(ledgers).map(move |(labels, row)| (labels, number(row.seen)))
}

fn verdicts(
    ledgers: &[(LabelSet, Ledger)],
    number: impl Fn(Count) -> u64,
) -> impl Iterator<Item = (LabelSet, u64)> {
    rows(ledgers).flat_map(move |(labels, row)| {
        let sample = |verdict: Verdict| {
            let mut labels = labels.clone();
            labels.push(("verdict", verdict.name().into()));
            (labels, number(row.count(verdict)))
        };
        Verdict::ALL.map(sample)
    })
}

fn rows(ledgers: &[(LabelSet, Ledger)]) -> impl Iterator<Item = (LabelSet, LedgerRow)> {
    ledgers.iter().flat_map(|(labels, ledger)| {
        let row = |direction: Direction| {
            let row = match direction {
                Direction::In => ledger.received,
                Direction::Out => ledger.sent,
            };
            let mut labels = labels.clone();
            labels.push(("direction", direction.name().into()));
            (labels, row)
        };
        Direction::ALL.map(row)
    })
}
