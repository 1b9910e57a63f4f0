//! podtap in a real Kubernetes: what an operator, a pod's owner and an analyst
//! count on, one file each.
//!
//! `cargo xtask test` runs them after the demo, in the cluster that it leaves;
//! by hand: `cargo xtask demo --keep`, then
//! `cargo test -p tests --test cluster -- --include-ignored --test-threads 1`.
//! Each test makes its own namespace, and puts right again what it breaks.

mod admission;
mod agent;
mod api_load;
mod capture;
mod deaf;
mod drain;
mod endings;
mod events;
mod forbidden;
mod identity;
mod kernel;
mod manifests;
mod monitoring;
mod namespace;
mod opt_in;
mod outage;
mod pairs;
mod pod;
mod programs;
mod prometheus;
mod refusals;
mod removal;
mod restart;
mod rights;
mod rollout;
mod rules;
mod settings;
mod starting;
mod suricata;
mod traffic;
mod wire_truth;

use std::time::Duration;

/// How long anything may take: a generous deadline, not what is promised.
const LIMIT: Duration = Duration::from_secs(60);
