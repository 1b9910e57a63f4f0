//! What the agent says of itself: to a scraper, and to `podtap status`.

use super::Agent;
use crate::{
    adapter::{
        bpf::metadata_name,
        kube::{ApiState, Desired},
    },
    agent::metrics::Snapshot,
    model::{
        opt_in::Wanted,
        status::{DatapathStatus, DelayStatus, Status},
    },
};

impl Agent {
    pub(super) fn snapshot(&self, desired: &Desired) -> Result<Snapshot, String> {
        let (events, events_queued) = self.tapping.events();
        let is_wanted = |wanted: &Wanted| matches!(wanted, Wanted::Tapped(_));
        let pods = desired.pods.values();
        Ok(Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            node: self.node.clone(),
            tap: self.tap.to_string(),
            metadata: metadata_name(self.metadata),
            ring_bytes: self.ring_bytes,
            tap_readers: self.tapping.tap_readers(),
            is_paused: self.tapping.is_paused(),
            is_ready: self.health.ready().is_ok(),
            api: *self.watch.api.borrow(),
            events,
            events_queued,
            wanted_pods: pods.filter(|pod| is_wanted(&pod.wanted)).count(),
            tapping: self.tapping.snapshot().map_err(|error| error.to_string())?,
            datapath: self.datapath.counts(),
        })
    }

    pub(super) fn status(&self) -> Status {
        let counts = self.datapath.counts();
        let total = counts.total();
        let api = match *self.watch.api.borrow() {
            ApiState::Connecting => "connecting",
            ApiState::There => "connected",
            ApiState::Away => "away",
        };
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            node: self.node.clone(),
            api: api.into(),
            tap: self.tap.to_string(),
            metadata: metadata_name(self.metadata).into(),
            is_waiting: false,
            tap_readers: self.tapping.tap_readers(),
            is_paused: self.tapping.is_paused(),
            targets: self.tapping.target_statuses(&counts),
            refused: self.tapping.refused_statuses(),
            datapath: DatapathStatus {
                records: counts.records,
                undecodable: counts.undecodable,
                delivered: total.delivered,
                refused: total.refused,
                duplicates: total.duplicates,
                delay: DelayStatus {
                    p50_ns: counts.delays.quantile_ns(500),
                    p99_ns: counts.delays.quantile_ns(990),
                    max_ns: counts.delays.max_ns(),
                },
                engine: counts
                    .framer
                    .named()
                    .into_iter()
                    .map(|(name, count)| (name.into(), count))
                    .collect(),
            },
        }
    }
}
