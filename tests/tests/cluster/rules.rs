//! What the API server lets a service account do.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::cluster::Cluster;

/// `VERB GROUP/RESOURCE`, or `VERB PATH`, of everything that a service account
/// of podtap's namespace may do there.
pub fn of(cluster: &Cluster, account: &str) -> Result<BTreeSet<String>> {
    let review = r#"{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "podtap"}}"#;
    let user = format!("--as=system:serviceaccount:podtap:{account}");
    let groups = [
        "system:serviceaccounts",
        "system:serviceaccounts:podtap",
        "system:authenticated",
    ];
    let groups = groups.map(|group| format!("--as-group={group}"));
    let mut command = cluster.kubectl_command();
    command
        .args(["create", "--validate=false", "-f", "-", "-o", "json", &user])
        .args(groups);
    let answer = xtask::process::output_with_input(&mut command, review.as_bytes())?;
    let answer: Value = serde_json::from_str(&answer)?;
    anyhow::ensure!(
        answer["status"]["incomplete"] == false,
        "not all of them: {answer}"
    );
    let mut rules = BTreeSet::new();
    for (kind, fields) in [
        (
            "resourceRules",
            &["verbs", "apiGroups", "resources", "resourceNames"][..],
        ),
        ("nonResourceRules", &["verbs", "nonResourceURLs"]),
    ] {
        let all = answer["status"][kind]
            .as_array()
            .context("no list of rules")?;
        for rule in all {
            let mut lines = vec![String::new()];
            for field in fields {
                let words = words(&rule[*field]);
                lines = lines
                    .iter()
                    .flat_map(|line| words.iter().map(move |word| format!("{line}{word} ")))
                    .collect();
            }
            rules.extend(lines.into_iter().map(|line| line.trim_end().to_owned()));
        }
    }
    Ok(rules)
}

/// The texts of a list; of one that is not there, an empty text.
fn words(list: &Value) -> Vec<&str> {
    match list.as_array() {
        Some(list) if !list.is_empty() => list
            .iter()
            .map(|word| word.as_str().unwrap_or("?"))
            .collect(),
        _ => vec![""],
    }
}
