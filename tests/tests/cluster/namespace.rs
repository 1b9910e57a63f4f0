//! A namespace of one test, and the pods in it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use xtask::{cluster::Cluster, image::web::WEB_IMAGE, process::wait_for};

use crate::{LIMIT, pod::Pod};

/// A namespace; it goes when this goes.
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Namespace<'a> {
    /// Makes one, and waits until pods can be made in it.
    pub fn new(cluster: &'a Cluster, purpose: &str) -> Result<Self> {
        // The one of an earlier run may still be on its way out.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e-{purpose}-{}-{number}", std::process::id());
        cluster.kubectl(&["create", "namespace", &name])?;
        let this = Self { cluster, name };
        wait_for("the namespace's service account", LIMIT, || {
            let arguments = ["get", "serviceaccount", "default", "-n", &this.name];
            cluster.kubectl(&arguments).map(Some)
        })?;
        Ok(this)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets a label of the namespace, or takes it away with `NAME-`.
    pub fn label(&self, label: &str) -> Result<()> {
        let arguments = ["label", "namespace", &self.name, label, "--overwrite"];
        self.cluster.kubectl(&arguments).map(drop)
    }

    /// Sets an annotation of the namespace, or takes it away with `NAME-`.
    pub fn annotate(&self, annotation: &str) -> Result<()> {
        let arguments = [
            "annotate",
            "namespace",
            &self.name,
            annotation,
            "--overwrite",
        ];
        self.cluster.kubectl(&arguments).map(drop)
    }

    /// A web server on the first node that is up and answers: what most tests
    /// tap.
    pub fn web(&self, name: &str, labels: &[(&str, &str)]) -> Result<Pod> {
        self.start(&self.manifest(name, 0, labels))
    }

    /// The manifest of a web server, to be changed or [started](Self::start):
    /// on the n-th node, counted from 0.
    pub fn manifest(&self, name: &str, node: usize, labels: &[(&str, &str)]) -> Value {
        let labels: BTreeMap<_, _> = labels.iter().copied().collect();
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.name, "labels": labels},
            "spec": {
                "nodeSelector": {"kubernetes.io/hostname": self.cluster.nodes()[node].name()},
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "main",
                    "image": WEB_IMAGE,
                    "imagePullPolicy": "Never",
                }],
            },
        })
    }

    /// The manifest of a Deployment of web servers, on any node unless it is
    /// changed.
    pub fn deployment(&self, name: &str, replicas: usize, labels: &[(&str, &str)]) -> Value {
        let mut labels: BTreeMap<_, _> = labels.iter().copied().collect();
        labels.insert("app", name);
        let pod = self.manifest(name, 0, &[]);
        let mut spec = pod["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("nodeSelector");
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": self.name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        })
    }

    /// Applies a Deployment and waits until it is rolled out; its pods.
    pub fn roll_out(&self, deployment: &Value) -> Result<Vec<Pod>> {
        self.cluster.apply(&deployment.to_string())?;
        self.rolled_out(deployment["metadata"]["name"].as_str().unwrap_or_default())
    }

    /// Waits until a Deployment is rolled out; its pods, without those that
    /// are on their way out.
    pub fn rolled_out(&self, name: &str) -> Result<Vec<Pod>> {
        let target = format!("deployment/{name}");
        let status = ["rollout", "status", "-n", &self.name, &target];
        self.cluster
            .kubectl(&[&status[..], &["--timeout=180s"]].concat())?;
        let selector = format!("app={name}");
        let list = ["get", "pods", "-n", &self.name, "-l", &selector];
        let list = self.cluster.kubectl_json(&list)?;
        let items = list["items"].as_array().context("no list of pods")?;
        let stay = items
            .iter()
            .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
        stay.map(Pod::from_json).collect()
    }

    /// Starts a pod and waits until it is ready.
    pub fn start(&self, manifest: &Value) -> Result<Pod> {
        self.cluster.apply(&manifest.to_string())?;
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        wait_for(&format!("the pod {name}"), LIMIT, || self.ready(name))
    }

    /// A pod of the namespace, if it is ready.
    pub fn ready(&self, name: &str) -> Result<Option<Pod>> {
        let pod = self
            .cluster
            .kubectl_json(&["get", "pod", name, "-n", &self.name])?;
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
        let is_ready = conditions.is_some_and(|all| {
            all.iter()
                .any(|one| one["type"] == "Ready" && one["status"] == "True")
        });
        if is_ready {
            Pod::from_json(&pod).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Deletes a pod and waits until the API server no longer knows it.
    pub fn delete(&self, pod: &Pod) -> Result<()> {
        let arguments = ["delete", "pod", &pod.name, "-n", &self.name, "--wait"];
        self.cluster.kubectl(&arguments).map(drop)
    }

    /// Sets an annotation of a pod, or takes it away with `NAME-`.
    pub fn annotate_pod(&self, pod: &Pod, annotation: &str) -> Result<()> {
        let arguments = [
            "annotate",
            "pod",
            &pod.name,
            "-n",
            &self.name,
            annotation,
            "--overwrite",
        ];
        self.cluster.kubectl(&arguments).map(drop)
    }

    /// Sets a label of a pod, or takes it away with `NAME-`.
    pub fn label_pod(&self, pod: &Pod, label: &str) -> Result<()> {
        let arguments = [
            "label",
            "pod",
            &pod.name,
            "-n",
            &self.name,
            label,
            "--overwrite",
        ];
        self.cluster.kubectl(&arguments).map(drop)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        // What is left of it goes with the cluster.
        let arguments = ["delete", "namespace", &self.name, "--wait=false"];
        let _ = self.cluster.kubectl(&arguments);
    }
}
