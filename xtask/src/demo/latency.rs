//! How long it takes from a label to the first frame, more than once: one try
//! says little.

use std::{fmt, time::Duration};

use anyhow::{Context as _, Result};

use super::{LIMIT, audit, pods, status::AgentPod};
use crate::cluster::Cluster;

/// How long a tap takes, from the API server's receipt of the label on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latency {
    /// Until the tap stands.
    tap: Duration,
    /// Until the kernel programs mirror its first packet, which may be some
    /// milliseconds away.
    pub(super) first_frame: Duration,
}

/// More than one of them.
#[derive(Debug)]
pub(super) struct Latencies(Vec<Latency>);

/// Labels a pod that always has packets, again and again; it is not labelled
/// before and after.
pub(super) fn measure(cluster: &Cluster, agent: &AgentPod, tries: u32) -> Result<Latencies> {
    let mut latencies = Vec::new();
    for _ in 0..tries {
        latencies.push(one(cluster, agent)?);
        pods::label(cluster, agent.pod(), "podtap.dev/tap-")?;
        agent.wait_until_untapped(cluster, LIMIT)?;
    }
    Ok(Latencies(latencies))
}

/// Labels it once; it stays labelled.
pub(super) fn one(cluster: &Cluster, agent: &AgentPod) -> Result<Latency> {
    pods::label(cluster, agent.pod(), "podtap.dev/tap=true")?;
    let labelled_ns = audit::labelled_ns(cluster, agent.pod())?;
    let (tap_ns, first_frame_ns) = agent.tapped_ns(cluster, LIMIT)?;
    let since = |time_ns: u64| {
        let latency = time_ns.checked_sub(labelled_ns);
        latency
            .map(Duration::from_nanos)
            .context("a tap from before the label")
    };
    Ok(Latency {
        tap: since(tap_ns)?,
        first_frame: since(first_frame_ns)?,
    })
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percentiles = |of: fn(&Latency) -> Duration| {
            let mut sorted: Vec<_> = self.0.iter().map(of).collect();
            sorted.sort_unstable();
            let at = |percent| ms(percentile(&sorted, percent));
            format!("p50 {}, p99 {}, max {}", at(50), at(99), at(100))
        };
        write!(
            f,
            "{} times: {} (until the tap stands: {})",
            self.0.len(),
            percentiles(|latency| latency.first_frame),
            percentiles(|latency| latency.tap)
        )
    }
}

/// The least of them, in ascending order, that so many percent do not exceed;
/// nothing of none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    let at = sorted.get(rank.saturating_sub(1));
    at.copied().unwrap_or_default()
}

/// Milliseconds for people.
pub(super) fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let of = |count| (1..=count).map(Duration::from_millis).collect::<Vec<_>>();
        assert_eq!(percentile(&of(100), 50), Duration::from_millis(50));
        assert_eq!(percentile(&of(100), 99), Duration::from_millis(99));
        assert_eq!(percentile(&of(100), 100), Duration::from_millis(100));
        assert_eq!(percentile(&of(1), 50), Duration::from_millis(1));
        assert_eq!(percentile(&of(0), 99), Duration::ZERO);
    }
}
