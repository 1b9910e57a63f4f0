//! What `podtap doctor` says of the API server, against a scripted one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod kube_api;

use kube_api::{ApiServer, Mode};
use serde_json::json;
use tap_userspace::{
    agent::doctor::examine_api,
    model::finding::{Finding, Outcome},
};
use tempfile::NamedTempFile;

async fn examine(server: &ApiServer) -> Vec<Finding> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": server.url()}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    });
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), config.to_string()).expect("written");
    let findings = examine_api(Some(file.path().to_owned()), "n1").await;
    for finding in &findings {
        let is_ok = finding.outcome == Outcome::Ok;
        assert_eq!(finding.advice.is_none(), is_ok, "{finding:?}");
    }
    findings
}

fn outcomes(findings: &[Finding]) -> Vec<(&str, Outcome)> {
    let outcome = |finding: &Finding| (finding.check, finding.outcome);
    findings.iter().map(outcome).collect()
}

fn add_a_pod(server: &ApiServer) {
    server.put(
        "pods",
        json!({"metadata": {"name": "web", "namespace": "shop"}}),
    );
}

#[tokio::test]
async fn an_agent_that_may_do_all_it_does_is_well() {
    let server = ApiServer::start().await;
    add_a_pod(&server);
    let findings = examine(&server).await;
    assert!(
        findings.iter().all(|one| one.outcome == Outcome::Ok),
        "{findings:?}"
    );
    let requests = server.requests();
    let listed = requests.iter().find(|one| one.line.contains("/pods?"));
    let line = &listed.expect("pods are listed").line;
    assert!(line.contains("fieldSelector=spec.nodeName%3Dn1"), "{line}");
    assert!(line.contains("limit=1"), "{line}");
    // It asks whether it may, and does nothing of it.
    let asked: Vec<_> = requests
        .iter()
        .filter(|one| one.line.starts_with("POST"))
        .collect();
    assert!(asked.len() >= 4, "{asked:?}");
    for request in asked {
        assert!(
            request.line.contains("/selfsubjectaccessreviews"),
            "{request:?}"
        );
    }
}

#[tokio::test]
async fn rights_that_lack_are_named_one_by_one() {
    let server = ApiServer::start().await;
    add_a_pod(&server);
    server.set_mode(Mode::Denying);
    let findings = examine(&server).await;
    assert_eq!(
        outcomes(&findings),
        [
            ("API server", Outcome::Ok),
            ("API: pods", Outcome::Fail),
            ("API: namespaces", Outcome::Fail),
            // Taps work without Events; their owners do not know of them.
            ("API: Events", Outcome::Warn),
        ]
    );
    for finding in &findings[1..] {
        let advice = finding.advice.as_deref().unwrap_or_default();
        assert!(advice.contains("ClusterRole"), "{finding:?}");
    }
}

#[tokio::test]
async fn a_node_without_any_pod_may_have_another_name() {
    let server = ApiServer::start().await;
    let findings = examine(&server).await;
    let pods = &findings[1];
    assert_eq!((pods.check, pods.outcome), ("API: pods", Outcome::Warn));
    assert!(pods.found.contains("n1"), "{pods:?}");
    assert!(
        pods.advice
            .as_ref()
            .is_some_and(|text| text.contains("--node"))
    );
}

#[tokio::test]
async fn an_api_server_that_is_away_or_refuses_us_is_one_finding() {
    for mode in [Mode::Down, Mode::Forbidding] {
        let server = ApiServer::start().await;
        server.set_mode(mode);
        let findings = examine(&server).await;
        assert_eq!(
            outcomes(&findings),
            [("API server", Outcome::Fail)],
            "{mode:?}"
        );
    }
}
