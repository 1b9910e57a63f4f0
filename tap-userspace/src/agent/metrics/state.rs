//! The agent's own state: what it is, whom it hears, what stands.

use std::{collections::BTreeMap, fmt};

use prometheus_client::encoding::EncodeMetric as _;

use super::{Families, Snapshot};
use crate::{adapter::kube::ApiState, model::refusal::Refusal};

pub(super) fn encode(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    families.gauges(
        "podtap_build_info",
        "1; which podtap this is.",
        [(vec![("version", snapshot.version.into())], 1)],
    )?;
    let agent = vec![
        ("node", snapshot.node.clone()),
        ("tap", snapshot.tap.clone()),
        ("metadata", snapshot.metadata.into()),
    ];
    families.gauges(
        "podtap_agent_info",
        "1; where this agent taps, and how it asks what an skb hides.",
        [(agent, 1)],
    )?;
    families.gauge(
        "podtap_ready",
        "Whether the agent is ready, as /readyz says: 0 or 1.",
        snapshot.is_ready.into(),
    )?;
    let api = [
        ("connecting", ApiState::Connecting),
        ("connected", ApiState::There),
        ("away", ApiState::Away),
    ];
    families.gauges(
        "podtap_api_state",
        "How it stands between the watch and the API server: 1 for the state that is, else 0.",
        api.map(|(name, state)| {
            let is = state == snapshot.api;
            (vec![("state", name.into())], is.into())
        }),
    )?;
    if let Some(readers) = snapshot.tap_readers {
        families.gauge(
            "podtap_tap_readers",
            "Packet sockets on the tap: 0 is a sensor that is deaf.",
            number(readers),
        )?;
    }
    families.gauge(
        "podtap_paused",
        "Whether nothing is copied, since nobody listens on the tap: 0 or 1.",
        snapshot.is_paused.into(),
    )?;
    encode_pods(families, snapshot)?;
    encode_events(families, snapshot)?;
    families.gauge(
        "podtap_ring_size_bytes",
        "Size of the ring between kernel and agent.",
        snapshot.ring_bytes.into(),
    )
}

fn encode_pods(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let tapping = &snapshot.tapping;
    families.gauge(
        "podtap_wanted_pods",
        "Pods of this node that are to be tapped.",
        number(snapshot.wanted_pods),
    )?;
    families.gauge(
        "podtap_attached_pods",
        "Pods of this node that are tapped.",
        number(tapping.attached_pods),
    )?;
    families.gauge(
        "podtap_attached_targets",
        "Interfaces of pods that are tapped.",
        number(tapping.targets.len()),
    )?;
    families.gauge(
        "podtap_blind_targets",
        "Of those the ones that do not see what their interface carries.",
        number(
            tapping
                .targets
                .iter()
                .filter(|target| target.is_blind)
                .count(),
        ),
    )?;
    // A reason that is none of the usual is said all the same.
    let mut refused: BTreeMap<&str, u64> = Refusal::METRIC_NAMES
        .iter()
        .map(|name| (*name, 0))
        .collect();
    for reason in &tapping.refused {
        *refused.entry(reason).or_default() += 1;
    }
    families.gauges(
        "podtap_refused_pods",
        "Pods that someone asked for and that are not tapped, by reason.",
        refused
            .into_iter()
            .map(|(reason, count)| (vec![("reason", reason.into())], count)),
    )?;
    families.counter(
        "podtap_attach_failures",
        "Tries to tap a pod that failed; a pod that is just starting is tried again.",
        tapping.failures,
    )?;
    families.histogram(
        "podtap_resolve_seconds",
        "Time to find a pod's network namespace, where it was found.",
        |encoder| tapping.timings.resolve.encode(encoder),
    )?;
    families.histogram(
        "podtap_attach_seconds",
        "Time to load the programs for an interface and attach them, where that succeeded.",
        |encoder| tapping.timings.attach.encode(encoder),
    )
}

fn encode_events(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let events = &snapshot.events;
    let outcomes = [
        ("sent", events.sent),
        ("failed", events.failed),
        ("dropped", events.dropped),
        ("limited", events.limited),
    ];
    families.counters(
        "podtap_events",
        "Kubernetes Events on pods, by what became of them.",
        outcomes.map(|(outcome, count)| (vec![("outcome", outcome.into())], count)),
    )?;
    families.gauge(
        "podtap_queued_events",
        "Kubernetes Events that wait to be sent.",
        number(snapshot.events_queued),
    )
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
