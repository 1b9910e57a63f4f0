//! The Events that podtap put on a pod.

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::{cluster::Cluster, process::wait_for};

use crate::{LIMIT, pod::Pod};

/// One Event, as the pod's owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub reason: String,
    pub note: String,
}

/// All of podtap's on this pod, oldest first.
pub fn of(cluster: &Cluster, pod: &Pod) -> Result<Vec<Event>> {
    let kind = "events.v1.events.k8s.io";
    let list = cluster.kubectl_json(&["get", kind, "-n", &pod.namespace])?;
    let items = list
        .get("items")
        .and_then(Value::as_array)
        .context("no list")?;
    let mut events: Vec<_> = items
        .iter()
        .filter(|event| {
            event["reportingController"] == "podtap.dev/agent"
                && event["regarding"]["uid"] == pod.uid
        })
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            let event = Event {
                reason: text("reason"),
                note: text("note"),
            };
            (text("eventTime"), event)
        })
        .collect();
    events.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(events.into_iter().map(|(_, event)| event).collect())
}

/// Waits until podtap's Events on a pod have exactly these reasons, in order.
pub fn expect(cluster: &Cluster, pod: &Pod, reasons: &[&str]) -> Result<Vec<Event>> {
    wait_for(
        &format!("the Events {reasons:?} on {}", pod.name),
        LIMIT,
        || {
            let events = of(cluster, pod)?;
            let are: Vec<_> = events.iter().map(|event| event.reason.as_str()).collect();
            anyhow::ensure!(are == reasons, "there are {events:?}");
            Ok(Some(events))
        },
    )
}
