//! When the API server was asked to set a label, by its own audit log: what
//! kubectl takes to start is not podtap's time.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::pods::NAMESPACE;
use crate::cluster::Cluster;

/// When the last change of this pod of the demo came in, nanoseconds since the Unix epoch.
pub(super) fn labelled_ns(cluster: &Cluster, pod: &str) -> Result<u64> {
    let path = cluster.layout().audit_log();
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let is_change = |event: &Value| {
        let field = |path: &str| event.pointer(path).and_then(Value::as_str);
        field("/verb") == Some("patch")
            && field("/objectRef/resource") == Some("pods")
            && field("/objectRef/subresource").is_none()
            && field("/objectRef/namespace") == Some(NAMESPACE)
            && field("/objectRef/name") == Some(pod)
    };
    let event = text
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(is_change)
        .context("the audit log has no change of the pod")?;
    let time = event
        .get("requestReceivedTimestamp")
        .and_then(Value::as_str)
        .context("the audit log's entry has no time")?;
    let time: jiff::Timestamp = time.parse().with_context(|| time.to_owned())?;
    u64::try_from(time.as_nanosecond()).context("a time before the epoch")
}
