//! The admission policy: a label or an annotation that means nothing is refused
//! where it is written.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use xtask::{
    build::workspace,
    cluster::Cluster,
    process::{output_with_input, wait_for},
};

use crate::{LIMIT, namespace::Namespace};

const TAP: &str = "podtap.dev/tap";

/// The policy, applied; it goes when this goes, for the other tests are to
/// write what means nothing.
struct Policy<'a>(&'a Cluster);

impl<'a> Policy<'a> {
    /// Applies it and waits until it is heeded.
    fn apply(cluster: &'a Cluster) -> Result<Self> {
        let this = Self(cluster);
        cluster.apply_kustomize(&folder())?;
        wait_for("the policy to be heeded", LIMIT, || {
            Ok(this
                .create(&pod(&[(TAP, "yes")], &[]))
                .is_err()
                .then_some(()))
        })?;
        Ok(this)
    }

    /// Has the API server look at a new object and make none.
    fn create(&self, object: &Value) -> Result<()> {
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        let text = object.to_string();
        output_with_input(self.0.kubectl_command().args(arguments), text.as_bytes()).map(drop)
    }

    /// What it says to an object that it refuses.
    fn refusal(&self, object: &Value) -> Result<String> {
        match self.create(object) {
            Ok(()) => anyhow::bail!("taken: {object}"),
            Err(error) => Ok(format!("{error:#}")),
        }
    }

    fn remove(self) -> Result<()> {
        self.0.delete_kustomize(&folder())?;
        wait_for("the policy to be forgotten", LIMIT, || {
            self.create(&pod(&[(TAP, "yes")], &[])).map(Some)
        })
    }
}

impl Drop for Policy<'_> {
    fn drop(&mut self) {
        let _ = self.0.delete_kustomize(&folder());
    }
}

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_what_means_nothing_is_refused_where_it_is_written() -> Result<()> {
    let cluster = Cluster::attach()?;
    let policy = Policy::apply(&cluster)?;
    for (object, words) in [
        (pod(&[(TAP, "yes")], &[]), [TAP, "\"yes\"", "true or false"]),
        (pod(&[(TAP, "")], &[]), [TAP, "\"\"", "true or false"]),
        // A namespace may say so, a pod may not.
        (pod(&[(TAP, "enforced")], &[]), [TAP, "enforced", "true"]),
        (namespace("on"), [TAP, "\"on\"", "enforced"]),
        (
            pod(&[], &[("podtap.dev/segment", "Jumbo")]),
            ["podtap.dev/segment", "Jumbo", "wire or jumbo"],
        ),
        (
            pod(&[], &[("podtap.dev/direction", "rx")]),
            ["podtap.dev/direction", "rx", "in, out or both"],
        ),
        (
            pod(&[], &[("podtap.dev/interfaces", "eth0,,lo")]),
            ["podtap.dev/interfaces", "eth0,,lo", "commas"],
        ),
        (
            pod(&[], &[("podtap.dev/interfaces", "a-name-that-is-too-long")]),
            ["podtap.dev/interfaces", "too-long", "names"],
        ),
        (deployment("on"), [TAP, "\"on\"", "true or false"]),
    ] {
        let told = policy.refusal(&object)?;
        for word in words {
            ensure!(told.contains(word), "{word} is missing: {told}");
        }
    }
    for object in [
        pod(&[], &[]),
        pod(&[(TAP, "true")], &[]),
        pod(&[(TAP, "false")], &[]),
        pod(&[], &[("podtap.dev/segment", "jumbo")]),
        pod(&[], &[("podtap.dev/direction", "both")]),
        pod(&[], &[("podtap.dev/interfaces", "eth0, net1.100")]),
        namespace("enforced"),
        deployment("true"),
    ] {
        policy.create(&object)?;
    }
    policy.remove()
}

/// A service must not lose its pods for a label that was wrong before anyone
/// said so.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_what_stood_before_the_policy_is_left_alone() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "before-policy")?;
    let web = namespace.web("web", &[(TAP, "yes")])?;
    let policy = Policy::apply(&cluster)?;
    namespace.label_pod(&web, "app=web")?;
    let worse = namespace.label_pod(&web, &format!("{TAP}=no"));
    ensure!(worse.is_err(), "a wrong value became another wrong one");
    namespace.label_pod(&web, &format!("{TAP}-"))?;

    // As a ReplicaSet makes one, of a template that was there before.
    let mut owned = pod(&[(TAP, "yes")], &[]);
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "old", "uid": "1", "controller": true,
    }]);
    policy.create(&owned)?;
    policy.remove()
}

fn pod(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "new",
            "namespace": "default",
            "labels": fields(labels),
            "annotations": fields(annotations),
        },
        "spec": {"containers": [{"name": "main", "image": "none"}]},
    })
}

fn namespace(tap: &str) -> Value {
    let metadata = json!({"name": "new", "labels": {TAP: tap}});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
}

fn deployment(tap: &str) -> Value {
    let labels = json!({"app": "new", TAP: tap});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "new", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "new"}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "none"}]},
            },
        },
    })
}

fn fields(of: &[(&str, &str)]) -> Value {
    of.iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn folder() -> PathBuf {
    workspace().join("manifests/overlays/policy")
}
