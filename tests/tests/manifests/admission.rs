//! The admission policy: what it could break.

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{POLICY, objects::Objects};

/// What the expressions mean, an API server says: the cluster's tests ask one.
#[test]
fn a_policy_that_fails_stops_no_pod_and_no_status() -> Result<()> {
    let objects = Objects::of_kustomize(POLICY)?;
    let names = [
        "ValidatingAdmissionPolicy /podtap",
        "ValidatingAdmissionPolicyBinding /podtap",
    ];
    assert_eq!(objects.names(), names);
    let policy = &objects.get(names[0])?["spec"];
    assert_eq!(policy["failurePolicy"], "Ignore");
    let rules = &policy["matchConstraints"]["resourceRules"];
    for rule in rules.as_array().context("rules")? {
        assert_eq!(rule["operations"], json!(["CREATE", "UPDATE"]));
        // A subresource is how kubelets report: never in their way.
        assert!(
            !rule["resources"].to_string().contains(['/', '*']),
            "{rule}"
        );
    }
    let binding = &objects.get(names[1])?["spec"];
    assert_eq!(binding["policyName"], "podtap");
    assert_eq!(binding["validationActions"], json!(["Deny"]));
    Ok(())
}
