//! What user space does with the records.

use std::{collections::BTreeMap, fmt, time::Duration};

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

use super::{Families, Snapshot, families::LabelSet, ledger::pod_labels};
use crate::{
    agent::datapath::{DatapathCounts, TargetCounts},
    engine::delay::Delays,
    model::pod::PodKey,
};

/// The delay histogram's first and last power of two in nanoseconds: 33 µs and
/// 8.6 s. Shorter and longer ones are in the first bucket and in `+Inf`.
const FIRST_DELAY: u32 = 15;
const LAST_DELAY: u32 = 33;

/// All of it, ended targets included.
pub(super) fn encode(families: &mut Families<'_>, counts: &DatapathCounts) -> fmt::Result {
    let total = counts.total();
    families.counter(
        "podtap_ring_records",
        "Records that were taken out of the ring.",
        counts.records,
    )?;
    families.counter(
        "podtap_undecodable_records",
        "Records of the ring that were none of this version.",
        counts.undecodable,
    )?;
    let left_out = [
        ("malformed", counts.framer.malformed_left_out),
        ("truncated", counts.framer.truncated),
        ("unsegmentable", counts.framer.unsegmentable),
    ];
    families.counters(
        "podtap_left_out_records",
        "Records that no frame was made of.",
        left_out.map(|(reason, count)| (vec![("reason", reason.into())], count)),
    )?;
    families.counters(
        "podtap_frames",
        "Frames that were made, by what became of them.",
        outcomes(&LabelSet::new(), &total),
    )?;
    families.counter(
        "podtap_frame_bytes",
        "Bytes of the frames that were made.",
        total.frame_bytes,
    )?;
    families.counters(
        "podtap_engine_operations",
        "What the frame engine met and did, by the name of the count.",
        counts
            .framer
            .named()
            .map(|(name, count)| (vec![("operation", name.into())], count)),
    )?;
    families.histogram(
        "podtap_delay_seconds",
        "Time from the kernel program to the sinks, one a record.",
        |encoder| encode_delays(encoder, &counts.delays),
    )
}

/// Of each pod that is tapped: gone with the pod.
pub(super) fn encode_by_pod(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let mut pods: BTreeMap<&PodKey, TargetCounts> = BTreeMap::new();
    for target in &snapshot.tapping.targets {
        let sum = pods.entry(&target.pod).or_default();
        if let Some(counts) = snapshot.datapath.targets.get(&target.id) {
            sum.add(counts);
        }
    }
    let pods: Vec<_> = pods
        .into_iter()
        .map(|(pod, counts)| (pod_labels(pod), counts))
        .collect();
    families.counters(
        "podtap_pod_frames",
        "Frames that were made of the pod's records, by what became of them.",
        pods.iter()
            .flat_map(|(labels, counts)| outcomes(labels, counts)),
    )?;
    families.counters(
        "podtap_pod_frame_bytes",
        "Bytes of the frames that were made of the pod's records.",
        pods.iter()
            .map(|(labels, counts)| (labels.clone(), counts.frame_bytes)),
    )
}

fn outcomes(labels: &LabelSet, counts: &TargetCounts) -> [(LabelSet, u64); 4] {
    [
        ("delivered", counts.delivered),
        ("refused", counts.refused),
        ("duplicate", counts.duplicates),
        ("surplus", counts.surplus),
    ]
    .map(|(outcome, count)| {
        let mut labels = labels.clone();
        labels.push(("outcome", outcome.into()));
        (labels, count)
    })
}

fn encode_delays(mut encoder: MetricEncoder<'_>, delays: &Delays) -> fmt::Result {
    let seconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64();
    let (first_ns, last_ns) = ((1_u64 << FIRST_DELAY) - 1, (1_u64 << LAST_DELAY) - 1);
    // Each with the delays that only it has; the encoder adds them up.
    let mut buckets: Vec<(f64, u64)> = Vec::new();
    let mut shorter = 0;
    let mut longer = 0;
    for (bound_ns, count) in delays.octaves() {
        match bound_ns {
            _ if bound_ns < first_ns => shorter += count,
            _ if bound_ns > last_ns => longer += count,
            _ => buckets.push((seconds(bound_ns), count + std::mem::take(&mut shorter))),
        }
    }
    // The encoder's name for infinity.
    buckets.push((f64::MAX, longer));
    encoder.encode_histogram::<NoLabelSet>(seconds(delays.sum_ns()), delays.count(), &buckets, None)
}
