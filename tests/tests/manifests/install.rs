//! Where podtap's pods go, and what they bring with them.

use anyhow::Result;
use serde_json::json;

use crate::{BASE, INSTALLS, objects::Objects};

#[test]
fn the_namespace_lets_the_agent_in() -> Result<()> {
    let base = Objects::of_kustomize(BASE)?;
    let labels = &base.get("Namespace /podtap")?["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "privileged");
    Ok(())
}

#[test]
fn every_linux_node_gets_its_agent_with_a_class_that_any_cluster_takes() -> Result<()> {
    /// HighestUserDefinablePriority of pkg/apis/scheduling/types.go.
    const HIGHEST: u64 = 1_000_000_000;
    for folder in INSTALLS {
        let objects = Objects::of_kustomize(folder)?;
        let pod = objects.pod()?;
        assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
        assert_eq!(pod["tolerations"], json!([{"operator": "Exists"}]));
        assert_eq!(pod["priorityClassName"], "podtap", "{folder}");
        let class = objects.get("PriorityClass /podtap")?;
        assert!(class["value"].as_u64() <= Some(HIGHEST), "{class}");
        assert!(class["globalDefault"].is_null(), "every pod would have it");
    }
    Ok(())
}
