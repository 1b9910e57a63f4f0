//! The real agent on such a node.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use nix::sys::signal::Signal;
use tap_userspace::model::status::Status;

use super::ScriptedNode;
use crate::{Residue, Running, ScriptedPod, TestBpffs, TestNetns, eventually, podtap, run};

/// The node's name.
pub const NODE: &str = "n1";
/// The namespace that agents say they are in.
pub const OWN_NAMESPACE: &str = "podtap-system";
/// Their tap.
pub const TAP: &str = "podtap0";
pub(super) const DAEMON_SET: &str = "podtap";

/// An agent of a node.
#[derive(Debug)]
pub struct NodeAgent {
    /// Its process.
    pub running: Running,
}

impl ScriptedNode {
    /// Where agents answer.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path("agent.sock")
    }

    /// The command that runs an agent whose taps end with it.
    #[must_use]
    pub fn agent(&self) -> Command {
        let mut command = podtap();
        command
            .args(["agent", "--tap", TAP, "--node", NODE])
            .arg("--kubeconfig")
            .arg(self.path("kubeconfig"))
            .arg("--proc")
            .arg(self.proc())
            .arg("--socket")
            .arg(self.socket())
            .env_remove("PODTAP_LOG");
        command
    }

    /// The command that runs an agent whose taps outlive it, as one of a
    /// DaemonSet's.
    #[must_use]
    pub fn agent_on(&self, bpffs: &TestBpffs) -> Command {
        let mut command = self.agent();
        command
            .args(["--own-namespace", OWN_NAMESPACE])
            .args(["--daemon-set", DAEMON_SET])
            .arg("--bpffs")
            .arg(bpffs.path());
        command
    }

    /// Names of the pins' folders of such agents: each begins with a pod's UID.
    #[must_use]
    pub fn pinned(&self, bpffs: &TestBpffs) -> Vec<String> {
        bpffs.targets(&format!("{NODE}+{OWN_NAMESPACE}"))
    }

    /// Runs an agent, and waits until it runs.
    #[must_use]
    pub fn start(&self, command: &mut Command) -> NodeAgent {
        NodeAgent {
            running: self
                .netns
                .inside(|| Running::start(command, "the agent runs")),
        }
    }

    /// Runs an agent, or what comes of it.
    #[must_use]
    pub fn spawn(&self, command: &mut Command) -> NodeAgent {
        NodeAgent {
            running: self.netns.inside(|| Running::spawn(command)),
        }
    }

    /// What the agent says of itself; `None` if it does not answer.
    #[must_use]
    pub fn try_status(&self) -> Option<Status> {
        let mut command = podtap();
        command.args(["status", "--output", "json", "--socket"]);
        let output = run(command.arg(self.socket()));
        let parsed = || serde_json::from_slice(&output.stdout).expect("a status");
        output.status.success().then(parsed)
    }

    /// What the agent says of itself, as soon as it answers.
    #[must_use]
    pub fn status(&self) -> Status {
        eventually("the agent answers", || self.try_status())
    }

    /// The UIDs of the pods that are tapped.
    #[must_use]
    pub fn tapped(&self) -> BTreeSet<String> {
        let targets = self.status().targets.into_iter();
        targets.map(|target| target.uid).collect()
    }

    /// Waits until exactly these pods are tapped, and says what the agent says
    /// then.
    pub fn wait_for_tapped(&self, pods: &[&ScriptedPod]) -> Status {
        let wanted: BTreeSet<_> = pods.iter().map(|pod| pod.uid.as_str()).collect();
        eventually(&format!("{} pods are tapped", wanted.len()), || {
            let status = self.try_status()?;
            let uids = status.targets.iter().map(|target| target.uid.as_str());
            (uids.collect::<BTreeSet<_>>() == wanted).then_some(status)
        })
    }

    /// Waits until both of an agent's watches are open.
    pub fn wait_for_watches(&self) {
        eventually("both watches", || {
            (self.api.open_watches() == 2).then_some(())
        });
    }

    /// Ends an agent in order; gives what it logged.
    #[must_use]
    pub fn end(&self, mut agent: NodeAgent) -> String {
        agent.running.signal(Signal::SIGTERM);
        let (success, log) = agent.running.wait();
        assert!(success, "{log}");
        log
    }

    /// Ends the last agent in order, after which nothing may be left but the
    /// tap for its sensor, which this removes; gives what it logged.
    pub fn end_all(&self, agent: NodeAgent, pods: &[&ScriptedPod]) -> String {
        let log = self.end(agent);
        self.assert_nothing_left(pods);
        log
    }

    /// Panics unless nothing is left of agents that have ended but the tap,
    /// which this removes.
    pub fn assert_nothing_left(&self, pods: &[&ScriptedPod]) {
        self.netns.run(&format!("ip link del {TAP}"));
        let mut netnses: Vec<&TestNetns> = vec![&self.netns];
        netnses.extend(pods.iter().map(|pod| &pod.end.netns));
        Residue::assert_none(&netnses);
    }
}
