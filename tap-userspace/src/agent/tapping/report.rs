//! What stands, for `podtap status` and for the metrics.

use super::{Standing, Tapping};
use crate::{
    adapter::kube::EventCounts,
    agent::{
        datapath::DatapathCounts,
        metrics::{TappingSnapshot, TargetSnapshot},
        target::TargetError,
    },
    model::{
        refusal::Refusal,
        status::{RefusedStatus, TargetStatus},
    },
};

impl Tapping {
    /// Every target, with what the datapath did for it.
    #[must_use]
    pub fn target_statuses(&self, counts: &DatapathCounts) -> Vec<TargetStatus> {
        self.targets
            .iter()
            .filter_map(|(uid, tapped)| Some((uid, &self.actual.attached.get(uid)?.pod, tapped)))
            .flat_map(|(uid, pod, tapped)| {
                tapped
                    .targets
                    .iter()
                    .map(move |standing| (uid, pod, standing))
            })
            .map(
                |(
                    uid,
                    pod,
                    Standing {
                        target,
                        since_ns,
                        drift,
                        ..
                    },
                )| {
                    let counts = counts.targets.get(&target.id).copied().unwrap_or_default();
                    let ledger = target.ledger().unwrap_or_default();
                    TargetStatus {
                        namespace: pod.key.namespace.clone(),
                        pod: pod.key.name.clone(),
                        uid: uid.to_string(),
                        interface: target.link.name.clone(),
                        hook: target.hook().to_string(),
                        direction: target.directions.to_string(),
                        is_blind: drift.is_blind(),
                        since_ns: *since_ns,
                        first_frame_ns: counts.first_frame_ns,
                        received: (&ledger.received).into(),
                        sent: (&ledger.sent).into(),
                        frames: counts.frames,
                        delivered: counts.delivered,
                        refused: counts.refused,
                        left_out: counts.left_out,
                        duplicates: counts.duplicates,
                    }
                },
            )
            .collect()
    }

    /// What stands, in numbers.
    ///
    /// # Errors
    /// When the kernel refuses to say: with one target left out, the sums
    /// would go down.
    pub fn snapshot(&self) -> Result<TappingSnapshot, TargetError> {
        let mut targets = Vec::new();
        for (uid, tapped) in &self.targets {
            let Some(attached) = self.actual.attached.get(uid) else {
                continue;
            };
            for Standing { target, drift, .. } in &tapped.targets {
                targets.push(TargetSnapshot {
                    id: target.id,
                    pod: attached.pod.key.clone(),
                    ledger: target.ledger()?,
                    is_blind: drift.is_blind(),
                });
            }
        }
        let refusals = self.refusals.values();
        Ok(TappingSnapshot {
            targets,
            retired: self.retired,
            attached_pods: self.targets.len(),
            refused: refusals.map(|(_, refusal)| refusal.metric_name()).collect(),
            failures: self.failures,
            timings: self.timings.clone(),
        })
    }

    /// Events that were said of pods: what became of them, and how many wait.
    #[must_use]
    pub fn events(&self) -> (EventCounts, usize) {
        (self.events.counts(), self.events.queued())
    }

    /// Every pod that is wanted and not tapped, and those of which an interface
    /// is not.
    #[must_use]
    pub fn refused_statuses(&self) -> Vec<RefusedStatus> {
        let pods = self.refusals.values().map(|(pod, refusal)| RefusedStatus {
            namespace: pod.key.namespace.clone(),
            pod: pod.key.name.clone(),
            reason: refusal.reason().into(),
            message: refusal.to_string(),
        });
        pods.chain(self.left_out_statuses()).collect()
    }

    fn left_out_statuses(&self) -> impl Iterator<Item = RefusedStatus> {
        let max_targets = self.options.max_targets;
        let reason = Refusal::TargetLimit {
            max_targets,
            interfaces: 1,
        }
        .reason();
        let tapped = self.targets.iter().filter_map(|(uid, tapped)| {
            let attached = self.actual.attached.get(uid)?;
            Some((&attached.pod.key, &tapped.left_out))
        });
        tapped.flat_map(move |(key, left_out)| {
            left_out.values().map(move |interface| RefusedStatus {
                namespace: key.namespace.clone(),
                pod: key.name.clone(),
                reason: reason.into(),
                message: format!(
                    "its interface {interface} alone: it came when the node had its {max_targets} \
                     targets (--max-targets)"
                ),
            })
        })
    }
}
