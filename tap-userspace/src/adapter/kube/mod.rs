//! Kubernetes: which pods are on this node, who asked for them, and Events
//! that tell their owners.

mod access;
mod answered;
mod client;
mod convert;
mod daemon_set;
mod error_text;
mod event_rate;
mod events;
mod feed;
mod list;
mod lookup;
mod outage;
mod store;
mod watch;

pub use access::{Access, AccessError, is_allowed};
pub use client::{ClientError, client};
pub use convert::{ConvertError, pod_from_api};
pub use daemon_set::{DaemonSetError, daemon_set_stays};
pub use events::{EventCounts, Events, record_events};
pub use list::{ListError, PodSelection, has_pods, list_namespaces, list_pods};
pub use lookup::{LookupError, find_pod};
pub use watch::{ApiState, Desired, Watch, watch_node};

/// Directives for the log filter. kube logs every failed request of every
/// retry; podtap says once that the API server is away, and once that it is
/// back.
pub const LOG_DIRECTIVES: &str = "kube_client=off,kube_runtime=off";
