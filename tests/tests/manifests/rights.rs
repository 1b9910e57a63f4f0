//! What the API server lets podtap do: by component, and nothing else.

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{INSTALLS, objects::Objects};

#[test]
fn the_agents_rights_are_those_it_needs() -> Result<()> {
    for folder in INSTALLS {
        let objects = Objects::of_kustomize(folder)?;
        let everywhere = json!([
            {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
        ]);
        let own = json!([{
            "apiGroups": ["apps"],
            "resources": ["daemonsets"],
            "resourceNames": ["podtap"],
            "verbs": ["get"],
        }]);
        assert_eq!(
            objects.get("ClusterRole /podtap-agent")?["rules"],
            everywhere
        );
        assert_eq!(objects.get("Role podtap/podtap-agent")?["rules"], own);
        let rights: Vec<_> = objects
            .names()
            .into_iter()
            .filter(|name| name.contains("Role"))
            .collect();
        let expected = [
            "ClusterRole /podtap-agent",
            "ClusterRoleBinding /podtap-agent",
            "Role podtap/podtap-agent",
            "RoleBinding podtap/podtap-agent",
        ];
        assert_eq!(rights, expected, "{folder}");
        for binding in [
            "ClusterRoleBinding /podtap-agent",
            "RoleBinding podtap/podtap-agent",
        ] {
            let subjects = json!([
                {"kind": "ServiceAccount", "name": "podtap", "namespace": "podtap"}
            ]);
            assert_eq!(objects.get(binding)?["subjects"], subjects, "{folder}");
        }
    }
    Ok(())
}

#[test]
fn nothing_comes_in_and_only_the_api_and_dns_go_out() -> Result<()> {
    for folder in INSTALLS {
        let objects = Objects::of_kustomize(folder)?;
        let policy = &objects.get("NetworkPolicy podtap/podtap")?["spec"];
        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
        // Ingress with no rule: nothing.
        assert!(policy["ingress"].is_null(), "{folder}");
        let mut out = Vec::new();
        for rule in policy["egress"].as_array().context("egress")? {
            for port in rule["ports"].as_array().context("ports")? {
                out.push(format!("{} {}", port["protocol"], port["port"]));
            }
        }
        let expected = ["\"TCP\" 443", "\"TCP\" 6443", "\"UDP\" 53", "\"TCP\" 53"];
        assert_eq!(out, expected, "{folder}");
        // It has to be these pods that it is about.
        let daemonset = objects.get("DaemonSet podtap/podtap")?;
        let label = "app.kubernetes.io/name";
        assert_eq!(
            policy["podSelector"]["matchLabels"][label],
            daemonset["spec"]["template"]["metadata"]["labels"][label]
        );
    }
    Ok(())
}
