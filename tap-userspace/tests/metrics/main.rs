//! What the agent tells Prometheus, and what is told of that: the documented
//! table, the alerts, the dashboard.
//!
//! If this fails, somebody's alert never fires, or a graph lies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod monitoring;
mod numbers;
mod snapshot;
mod table;
mod text;
