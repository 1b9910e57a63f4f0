//! How long it takes from a label to the first frame, more than once: one try
//! says little.

use std::{fmt, time::Duration};

use anyhow::{Context as _, Result};

use super::{LIMIT, audit, pods, status::AgentPod};
use crate::cluster::Cluster;

/// How often a label is set.
const TRIES: usize = 10;

/// From the API server's receipt of the label to the first packet on the tap.
#[derive(Debug)]
pub(super) struct Latencies(Vec<Duration>);

/// Labels a pod that always has packets, again and again; it is not labelled
/// before and after.
pub(super) fn measure(cluster: &Cluster, agent: &AgentPod) -> Result<Latencies> {
    let mut latencies = Vec::with_capacity(TRIES);
    for _ in 0..TRIES {
        latencies.push(one(cluster, agent)?);
        pods::label(cluster, agent.pod(), "podtap.dev/tap-")?;
        agent.wait_until_untapped(cluster, LIMIT)?;
    }
    latencies.sort_unstable();
    Ok(Latencies(latencies))
}

/// Labels it once; it stays labelled.
pub(super) fn one(cluster: &Cluster, agent: &AgentPod) -> Result<Duration> {
    pods::label(cluster, agent.pod(), "podtap.dev/tap=true")?;
    let labelled_ns = audit::labelled_ns(cluster, agent.pod())?;
    let first_frame_ns = agent.first_frame_ns(cluster, LIMIT)?;
    let latency = first_frame_ns.checked_sub(labelled_ns);
    Ok(Duration::from_nanos(
        latency.context("a frame from before the label")?,
    ))
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(sorted) = self;
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let median = at(sorted.len() / 2);
        let longest = at(sorted.len().saturating_sub(1));
        write!(
            f,
            "{} times: median {}, longest {}",
            sorted.len(),
            ms(median),
            ms(longest)
        )
    }
}

/// Milliseconds for people.
pub(super) fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
