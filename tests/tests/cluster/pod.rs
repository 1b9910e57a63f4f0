//! A pod as its node's kernel has it.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tap_userspace::adapter::{
    link::{Link, Links},
    netns::Netns,
};
use xtask::cluster::proc::Process;

/// A pod that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub ip: String,
    pub node: String,
}

impl Pod {
    /// Reads one as the API server tells it.
    pub fn from_json(pod: &Value) -> Result<Self> {
        let text = |path: &str| {
            let text = pod.pointer(path).and_then(Value::as_str);
            text.map(str::to_owned)
                .with_context(|| format!("the pod has no {path}"))
        };
        Ok(Self {
            namespace: text("/metadata/namespace")?,
            name: text("/metadata/name")?,
            uid: text("/metadata/uid")?,
            ip: text("/status/podIP")?,
            node: text("/spec/nodeName")?,
        })
    }

    /// Its processes, as seen from outside.
    pub fn processes(&self) -> Vec<Process> {
        let is_of_pod = |process: &Process| {
            !process.is_gone() && process.cgroups().contains(&format!("pod{}", self.uid))
        };
        Process::all().into_iter().filter(is_of_pod).collect()
    }

    /// Its process with this program name.
    pub fn process(&self, program: &str) -> Result<Process> {
        let runs = |process: &Process| {
            process
                .arguments()
                .first()
                .is_some_and(|word| word.ends_with(program))
        };
        let found = self.processes().into_iter().find(runs);
        found.with_context(|| format!("{} has no process {program}", self.name))
    }

    /// Its network namespace.
    pub fn netns(&self) -> Result<Netns> {
        let process = *self.processes().first().context("the pod has no process")?;
        Ok(Netns::of_process(Path::new("/proc"), process.0)?)
    }

    /// Its `eth0`, with the kernel's counters as they are now.
    pub fn eth0(&self) -> Result<Link> {
        Ok(self.netns()?.inside(|| Links::open()?.by_name("eth0"))??)
    }
}
