//! How long the steps of tapping a pod take.

use std::time::Duration;

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// Buckets: from 1 ms, doubling, to 8.2 s.
const FIRST_SECONDS: f64 = 0.001;
const BUCKETS: u16 = 14;

/// Histograms in seconds. A clone counts into the same ones.
#[derive(Clone, Debug)]
pub struct Timings {
    pub(super) resolve: Histogram,
    pub(super) attach: Histogram,
}

impl Default for Timings {
    fn default() -> Self {
        let histogram = || Histogram::new(exponential_buckets(FIRST_SECONDS, 2.0, BUCKETS));
        Self {
            resolve: histogram(),
            attach: histogram(),
        }
    }
}

impl Timings {
    /// A pod's network namespace was found.
    pub fn resolved(&self, time: Duration) {
        self.resolve.observe(time.as_secs_f64());
    }

    /// An interface was attached to.
    pub fn attached(&self, time: Duration) {
        self.attach.observe(time.as_secs_f64());
    }
}
