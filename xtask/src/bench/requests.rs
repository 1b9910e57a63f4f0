//! Many short HTTP connections to the pod: a connection, a request, an answer
//! of 1 KiB, and its end.

mod client;
mod server;

use std::time::Duration;

use anyhow::Result;

use super::{stage::Stage, traffic::Traffic};
use server::Server;

/// Clients at once when they go as fast as they can: more than enough for all
/// CPUs of a small node.
const CLIENTS: usize = 16;
/// At a given rate: so many that one that waits does not make others late.
const PACED_CLIENTS: usize = 64;

/// As many as possible, each client one after the other.
pub(super) fn unpaced(stage: &Stage, seconds: u32) -> Result<Traffic> {
    run(stage, seconds, CLIENTS, None)
}

/// At a rate a second. Each request has a time when it is due, and its latency
/// counts from then, so that a stall makes all late that fall into it.
pub(super) fn paced(stage: &Stage, seconds: u32, rate: f64) -> Result<Traffic> {
    run(stage, seconds, PACED_CLIENTS, Some(rate))
}

fn run(stage: &Stage, seconds: u32, clients: usize, rate: Option<f64>) -> Result<Traffic> {
    let server = Server::start(stage)?;
    let time = Duration::from_secs(seconds.into());
    let answered = stage
        .node
        .inside(|| client::load(server.address(), clients, rate, time))?;
    let mut latencies = answered.latencies_ns;
    latencies.sort_unstable();
    Ok(Traffic {
        seconds: answered.seconds,
        requests: latencies.len() as f64,
        requests_wanted: rate.unwrap_or(0.0),
        latency_p50_ns: quantile(&latencies, 50),
        latency_p99_ns: quantile(&latencies, 99),
        ..Traffic::default()
    })
}

/// What so many in a hundred do not exceed, of sorted values.
fn quantile(sorted: &[u64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |value| *value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_smallest_that_enough_do_not_exceed() {
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!(quantile(&values, 50), 100.0);
        assert_eq!(quantile(&values, 99), 198.0);
        assert_eq!(quantile(&[7], 99), 7.0);
        assert_eq!(quantile(&[], 50), 0.0);
    }
}
