//! What a load generator achieved.

use serde::Serialize;

/// Zero is what it does not measure.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Traffic {
    /// How long it took.
    pub seconds: f64,
    /// Bytes of payload that arrived.
    pub bytes: f64,
    /// Datagrams that were sent.
    pub packets_sent: f64,
    /// Datagrams that arrived.
    pub packets: f64,
    /// Requests that were answered.
    pub requests: f64,
    /// Requests a second that were asked for; 0 is as many as possible.
    pub requests_wanted: f64,
    /// From when a request was due to the end of its answer: the median.
    pub latency_p50_ns: f64,
    /// The same: what 99 of 100 do not exceed.
    pub latency_p99_ns: f64,
}

impl Traffic {
    /// Gbit a second of payload.
    #[must_use]
    pub fn gigabits(&self) -> f64 {
        self.bytes * 8.0 / 1e9 / self.seconds
    }

    /// Gigabytes of payload.
    #[must_use]
    pub fn gigabytes(&self) -> f64 {
        self.bytes / 1e9
    }

    /// Datagrams a second that arrived.
    #[must_use]
    pub fn packet_rate(&self) -> f64 {
        self.packets / self.seconds
    }

    /// Answers a second.
    #[must_use]
    pub fn request_rate(&self) -> f64 {
        self.requests / self.seconds
    }
}
