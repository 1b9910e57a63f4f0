//! A node, what is done to it, and what has to be true of it then.

use std::{collections::BTreeSet, time::Duration};

use nix::sys::signal::Signal;
use tap_userspace::model::status::LedgerStatus;
use tests::{
    Hooks, Random, ScriptedNode, ScriptedPod, eventually, eventually_equal, kube_api::Mode, pause,
};

use crate::{agents::Agents, desire::Label, story::Story, traffic::Traffic};

/// How many pods there are, about.
const FEW: usize = 6;
const MANY: usize = 24;
/// The longest pause between two actions.
const PAUSE_MS: usize = 80;
/// The most actions between two agents.
const MOST_AGENTLESS: usize = 8;
const NAMESPACES: [&str; 2] = ["shop", "bank"];

pub(crate) struct World {
    random: Random,
    // Before the pods, whose namespaces its sockets would keep.
    traffic: Traffic,
    pods: Vec<Born>,
    born: usize,
    /// Of each of [`NAMESPACES`].
    namespaces: [Label; 2],
    agents: Agents,
    /// So many actions are done before the next agent is started.
    agentless: usize,
    node: ScriptedNode,
    story: Story,
}

struct Born {
    pod: ScriptedPod,
    label: Label,
    is_connected: bool,
}

impl World {
    pub(crate) fn new(random: Random) -> Self {
        let node = ScriptedNode::new();
        Self {
            random,
            traffic: Traffic::start(),
            pods: Vec::new(),
            born: 0,
            namespaces: [Label::Absent; 2],
            agents: Agents::start(&node),
            agentless: 0,
            node,
            story: Story::new(),
        }
    }

    /// Does one thing.
    pub(crate) fn act(&mut self) {
        match self.agentless.checked_sub(1) {
            Some(left) => self.agentless = left,
            None => self.agents.revive(&self.node, &self.story),
        }
        let wait_ms = self.random.between(0, PAUSE_MS);
        pause(Duration::from_millis(wait_ms as u64));
        match self.random.between(0, 99) {
            0..30 if self.pods.len() < MANY => self.birth(),
            0..30 => self.death(),
            30..50 if self.pods.len() > FEW => self.death(),
            30..75 => self.relabel(),
            75..80 => self.connect(),
            80..84 => self.relabel_namespace(),
            84..87 => self.end_agent(Signal::SIGKILL),
            87..90 => self.end_agent(Signal::SIGTERM),
            _ => self.trouble(),
        }
    }

    fn birth(&mut self) {
        self.born += 1;
        let name = format!("pod-{}", self.born);
        // Some are announced before they have a network.
        let is_connected = !self.random.once_in(4);
        let mut pod = if is_connected {
            self.node.pod(&name)
        } else {
            self.node.unconnected_pod(&name)
        };
        pod.namespace = self.random.pick(&NAMESPACES).into();
        let label = Label::any(&mut self.random);
        self.story.tell(format!(
            "birth of {}/{name}, {label:?}, connected: {is_connected}",
            pod.namespace
        ));
        if is_connected {
            self.traffic.add(&pod);
        }
        self.node.api.put("pods", pod.object(&label.labels()));
        self.pods.push(Born {
            pod,
            label,
            is_connected,
        });
    }

    fn death(&mut self) {
        let Some(at) = self.any() else { return };
        let Born { pod, .. } = self.pods.swap_remove(at);
        let name = pod.name.clone();
        self.traffic.remove(&pod);
        let is_told_first = self.random.once_in(2);
        self.story
            .tell(format!("death of {name}, told first: {is_told_first}"));
        if is_told_first {
            self.node.api.remove("pods", &name);
            drop(pod);
        } else {
            drop(pod);
            self.node.api.remove("pods", &name);
        }
    }

    fn relabel(&mut self) {
        let Some(at) = self.any() else { return };
        let label = Label::any(&mut self.random);
        let Born { pod, label: of, .. } = &mut self.pods[at];
        *of = label;
        self.story.tell(format!("{} is {label:?}", pod.name));
        self.node.api.put("pods", pod.object(&label.labels()));
    }

    fn relabel_namespace(&mut self) {
        let at = self.random.between(0, NAMESPACES.len() - 1);
        let label = Label::any(&mut self.random);
        self.namespaces[at] = label;
        self.story
            .tell(format!("namespace {} is {label:?}", NAMESPACES[at]));
        self.node.namespace(NAMESPACES[at], &label.labels());
    }

    /// One gets its network.
    fn connect(&mut self) {
        let waits = self.pods.iter_mut().find(|born| !born.is_connected);
        if let Some(born) = waits {
            self.story.tell(format!("{} is connected", born.pod.name));
            self.node.connect(&born.pod);
            self.traffic.add(&born.pod);
            born.is_connected = true;
        }
    }

    fn end_agent(&mut self, signal: Signal) {
        self.story.tell(format!("{signal} for the agent"));
        self.agents.end(signal);
        // The kubelet takes its time.
        self.agentless = self.random.between(0, MOST_AGENTLESS);
    }

    fn trouble(&mut self) {
        let mode = self.random.pick(&[
            Mode::Serving,
            Mode::Serving,
            Mode::Down,
            Mode::Expired,
            Mode::Throttling,
        ]);
        self.story.tell(format!("the API server is {mode:?}"));
        self.node.api.set_mode(mode);
    }

    fn any(&mut self) -> Option<usize> {
        let last = self.pods.len().checked_sub(1)?;
        Some(self.random.between(0, last))
    }

    /// Panics unless, now that the API server serves and an agent runs, what is
    /// desired stands, and nothing else.
    pub(crate) fn expect_order(&mut self) {
        self.story.tell("order".into());
        self.agentless = 0;
        self.node.api.set_mode(Mode::Serving);
        while self.pods.iter().any(|born| !born.is_connected) {
            self.connect();
        }
        eventually("an agent runs", || {
            self.agents.revive(&self.node, &self.story);
            self.node.try_status()
        });
        let desired = self.desired();
        eventually_equal("tapped pods, and those that are to be", || {
            let status = self.node.try_status();
            let targets = status.into_iter().flat_map(|status| status.targets);
            let tapped: BTreeSet<_> = targets.map(|target| target.uid).collect();
            (tapped, desired.clone())
        });
        eventually_equal("pinned pods, and those that are to be", || {
            (
                self.agents.pinned(&self.node),
                desired.iter().cloned().collect::<Vec<_>>(),
            )
        });
        for Born { pod, .. } in &self.pods {
            let is_tapped = Hooks::of(&pod.end.netns, "eth0").has_podtap();
            assert_eq!(is_tapped, desired.contains(&pod.uid), "{}", pod.name);
        }
        self.traffic.pause(true);
        self.expect_closed_ledgers();
        self.traffic.pause(false);
    }

    /// Nothing is sent meanwhile: rows are read one CPU after the other.
    fn expect_closed_ledgers(&self) {
        let status = self.node.status();
        for target in &status.targets {
            for ledger in [&target.received, &target.sent] {
                assert!(closes(ledger), "{target:?}");
            }
        }
        assert_eq!(status.datapath.undecodable, 0, "{status:?}");
        assert_eq!(status.refused, []);
    }

    /// UIDs of the pods that are to be tapped.
    fn desired(&self) -> BTreeSet<String> {
        let is_wanted = |born: &&Born| {
            let of = NAMESPACES.iter().position(|of| *of == born.pod.namespace);
            born.label.wants(self.namespaces[of.expect("a namespace")])
        };
        let wanted = self.pods.iter().filter(is_wanted);
        wanted.map(|born| born.pod.uid.clone()).collect()
    }

    /// The agent leaves its taps, which are cleaned up; panics unless nothing
    /// is left. Gives what there was.
    pub(crate) fn end(mut self) -> String {
        let tapped = self.desired().len();
        self.agents.end(Signal::SIGTERM);
        assert_eq!(self.agents.pinned(&self.node).len(), tapped, "left pinned");
        let said = self.agents.clean_up();
        assert!(said.starts_with(&format!("{tapped} taps ")), "{said}");
        let pods: Vec<_> = self.pods.iter().map(|born| &born.pod).collect();
        self.node.assert_nothing_left(&pods);
        format!(
            "{} actions, {} pods, {} agents",
            self.story.len(),
            self.born,
            self.agents.started
        )
    }
}

/// What was seen is the sum of what became of it.
fn closes(ledger: &LedgerStatus) -> bool {
    let verdicts = || ledger.verdicts.values();
    let packets: u64 = verdicts().map(|count| count.packets).sum();
    let bytes: u64 = verdicts().map(|count| count.bytes).sum();
    (packets, bytes) == (ledger.seen.packets, ledger.seen.bytes)
}
