//! A pod: processes in a network namespace, and what the API server says.

use std::{net::Ipv4Addr, path::PathBuf};

use serde_json::{Value, json};

use super::{agent::NODE, end_process};
use crate::{TestNetns, VethEnd};

/// A pod of a [`ScriptedNode`](super::ScriptedNode). Its processes and its
/// network namespace go when it is dropped, whatever the API server says.
#[derive(Debug)]
pub struct ScriptedPod {
    /// Its network namespace and addresses.
    pub end: VethEnd,
    /// Its namespace in Kubernetes; `shop` unless a test says otherwise.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The UID in the cgroups of its processes: its own, but for a static pod.
    pub cgroup_uid: String,
    /// Its address.
    pub ip: Ipv4Addr,
    pub(super) number: u32,
    pub(super) pids: Vec<u32>,
    proc: PathBuf,
}

impl ScriptedPod {
    pub(super) fn new(proc: PathBuf, name: &str, number: u32, ip: Ipv4Addr) -> Self {
        let netns = TestNetns::new();
        for of in ["all", "default"] {
            netns.sysctl(&format!("ipv6/conf/{of}/disable_ipv6"), "1");
        }
        let uid = format!("00000000-0000-0000-0000-{number:012}");
        Self {
            end: VethEnd {
                netns,
                ipv4: ip.into(),
                ipv6: ip.to_ipv6_mapped().into(),
            },
            namespace: "shop".into(),
            name: name.into(),
            cgroup_uid: uid.clone(),
            uid,
            ip,
            number,
            pids: Vec::new(),
            proc,
        }
    }

    /// As the API server says it, with these labels.
    #[must_use]
    pub fn object(&self, labels: &Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "uid": self.uid,
                "labels": labels,
                "annotations": {},
            },
            "spec": {"nodeName": NODE, "containers": []},
            "status": {
                "phase": "Running",
                "podIP": self.ip.to_string(),
                "podIPs": [{"ip": self.ip.to_string()}],
            },
        })
    }

    /// With the label that has it tapped.
    #[must_use]
    pub fn labelled(&self) -> Value {
        self.object(&json!({"podtap.dev/tap": "true"}))
    }

    /// Without it.
    #[must_use]
    pub fn unlabelled(&self) -> Value {
        self.object(&json!({}))
    }

    /// Its processes end; its network namespace stays.
    pub fn end_processes(&mut self) {
        for pid in self.pids.drain(..) {
            end_process(&self.proc, pid);
        }
    }
}

impl Drop for ScriptedPod {
    fn drop(&mut self) {
        // Before the namespace, whose descriptor's number may be another's
        // then. The folder may be gone with the node.
        if self.proc.exists() {
            self.end_processes();
        }
    }
}
