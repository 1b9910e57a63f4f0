//! One agent after the other, as a kubelet keeps them: there always is one.

use nix::sys::signal::Signal;
use tests::{ScriptedNode, TestBpffs, podtap, run, scripted_node::NodeAgent};

use crate::story::Story;

/// The agent of a node, whichever it is just now.
pub(crate) struct Agents {
    bpffs: TestBpffs,
    now: Option<NodeAgent>,
    /// How many there were.
    pub(crate) started: usize,
}

impl Agents {
    pub(crate) fn start(node: &ScriptedNode) -> Self {
        let mut agents = Self {
            bpffs: TestBpffs::new(),
            now: None,
            started: 0,
        };
        agents.revive(node, &Story::new());
        agents
    }

    /// Starts one if there is none. One that could not start since the API
    /// server did not answer is no wonder; one that ran ends when it is told.
    pub(crate) fn revive(&mut self, node: &ScriptedNode, story: &Story) {
        if let Some(mut agent) = self.now.take() {
            if !agent.running.has_ended() {
                self.now = Some(agent);
                return;
            }
            let (success, log) = agent.running.wait();
            assert!(
                !success && !log.contains("the agent runs"),
                "it ended:\n{log}"
            );
            assert!(log.contains("API server"), "it did not start:\n{log}");
            story.tell("the agent could not start".into());
        }
        self.now = Some(node.spawn(&mut node.agent_on(&self.bpffs)));
        self.started += 1;
    }

    /// Ends the agent, as it is asked to or not.
    pub(crate) fn end(&mut self, signal: Signal) {
        let Some(mut agent) = self.now.take() else {
            return;
        };
        agent.running.signal(signal);
        let (success, log) = agent.running.wait();
        let has_run = log.contains("the agent runs");
        assert!(
            success || signal == Signal::SIGKILL || !has_run,
            "it did not end in order:\n{log}"
        );
        for bad in ["ERROR", "panicked"] {
            assert!(!has_run || !log.contains(bad), "{log}");
        }
    }

    /// UIDs of the pods whose targets are pinned.
    pub(crate) fn pinned(&self, node: &ScriptedNode) -> Vec<String> {
        let folders = node.pinned(&self.bpffs).into_iter();
        let mut uids: Vec<_> = folders
            .map(|name| name.split('_').next().expect("a UID").to_owned())
            .collect();
        uids.sort_unstable();
        uids
    }

    /// What `podtap cleanup` says; nothing may be pinned after it.
    pub(crate) fn clean_up(&self) -> String {
        let mut command = podtap();
        let output = run(command.arg("cleanup").arg("--bpffs").arg(self.bpffs.path()));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(!self.bpffs.path().join("podtap").exists(), "pins are left");
        said
    }
}
