//! Whether nodes and pods are ready, and why not.

use serde_json::Value;

/// The objects of a list.
pub(super) fn items(list: &Value) -> &[Value] {
    list.get("items")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The `Ready` condition of a node or a pod.
pub(super) fn is_ready(object: &Value) -> bool {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let ready = |condition: &Value| {
        condition.get("type").is_some_and(|kind| kind == "Ready")
            && condition
                .get("status")
                .is_some_and(|status| status == "True")
    };
    conditions.is_some_and(|conditions| conditions.iter().any(ready))
}

/// A pod's name and its containers' states, for an error message.
pub(super) fn describe(pod: &Value) -> String {
    let part = |path: &str| pod.pointer(path).map(Value::to_string).unwrap_or_default();
    format!(
        "{} is not ready: {} {}{}",
        part("/metadata/name"),
        part("/status/phase"),
        part("/status/initContainerStatuses"),
        part("/status/containerStatuses"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_true_condition_is_ready() {
        let pod =
            |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
        assert!(is_ready(&pod("True")));
        assert!(!is_ready(&pod("Unknown")));
        assert!(!is_ready(&json!({})));
    }
}
