//! The targets that stand, and the steps that make them so: what
//! [`plan`](crate::engine::plan) says, done.

mod attach;
mod blind;
mod interfaces;
mod left;
mod pause;
mod rate;
mod report;
mod tell;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use attach::{Attach, AttachError, Scan};
pub(super) use interfaces::{InterfacesError, wanted_links};

use super::{
    datapath::Datapath, listening::Change, metrics::Timings, tap::TapInterface, target::Target,
};
use crate::{
    adapter::{
        bpf::{Hook, PinKey, Shared, TargetPins},
        kube::{Desired, Events},
        netns::Netns,
        process::ProcDir,
    },
    engine::{
        actual::Actual,
        drift::Drift,
        plan::{Action, next_retry, plan},
        rate_limit::RateLimit,
        target_limit::within,
    },
    model::{
        Directions, Ledger, Segment,
        bit_rate::BitRate,
        pod::{Pod, PodUid},
        refusal::Refusal,
    },
};

/// How pods are tapped.
#[derive(Debug)]
pub struct TappingOptions {
    /// Where the node's proc file system is.
    pub proc: ProcDir,
    /// How to attach.
    pub hook: Hook,
    /// Which direction is tapped, where neither pod nor namespace says
    /// anything else.
    pub directions: Directions,
    /// How super-frames are cut, likewise.
    pub segment: Segment,
    /// How many targets there may be.
    pub max_targets: usize,
    /// How much they may carry, all together.
    pub max_rate: Option<BitRate>,
}

/// All targets of this node.
#[derive(Debug)]
pub struct Tapping {
    shared: Shared,
    options: TappingOptions,
    tap: TapInterface,
    events: Events,
    actual: Actual,
    targets: BTreeMap<PodUid, Tapped>,
    refusals: BTreeMap<PodUid, (Arc<Pod>, Refusal)>,
    rate_limit: Option<RateLimit>,
    /// Whether its targets count only.
    is_paused: bool,
    /// Whether pods are to be tapped that were not tried yet.
    has_more: bool,
    last_id: u32,
    /// What a former agent has left, and was not asked for yet.
    left: BTreeMap<PinKey, TargetPins>,
    /// What became of the skbs of targets that have ended.
    retired: Ledger,
    /// How often attaching to a pod failed.
    failures: u64,
    timings: Timings,
}

/// What stands for one pod.
#[derive(Debug)]
struct Tapped {
    /// One for each tapped interface; never empty.
    targets: Vec<Standing>,
    /// Its network namespace.
    netns_inode: u64,
    /// A process of the pod that lived in it.
    pid: u32,
    /// Interfaces that have come when there was no room, by index.
    left_out: BTreeMap<u32, String>,
}

/// One target.
#[derive(Debug)]
struct Standing {
    target: Target,
    since_ns: u64,
    /// Whether it stood before this agent.
    is_taken_over: bool,
    /// Whether it sees what its interface carries.
    drift: Drift,
}

impl Tapping {
    /// None yet; `tap` is where their frames go. `left` is what a former agent
    /// has pinned: what of it is desired is taken over by the first
    /// [`Tapping::follow`], and the rest ends with it.
    #[must_use]
    pub fn new(
        shared: Shared,
        left: Vec<(PinKey, TargetPins)>,
        options: TappingOptions,
        tap: TapInterface,
        events: Events,
    ) -> Self {
        let last_id = left.iter().map(|(_, pins)| pins.id.0).max().unwrap_or(0);
        Self {
            shared,
            rate_limit: options.max_rate.map(RateLimit::new),
            options,
            tap,
            events,
            actual: Actual::default(),
            targets: BTreeMap::new(),
            refusals: BTreeMap::new(),
            is_paused: false,
            has_more: false,
            last_id,
            left: left.into_iter().collect(),
            retired: Ledger::default(),
            failures: 0,
            timings: Timings::default(),
        }
    }

    /// Makes what stands equal what is desired, as far as that succeeds and
    /// there is room; of many pods some, and the others when it is called again
    /// ([`Tapping::next_follow`]). Blocks.
    pub fn follow(&mut self, desired: &Desired, datapath: &Datapath) {
        if !desired.synced {
            return;
        }
        self.actual
            .keep_needs_of(|uid| desired.pods.contains_key(uid));
        let mut scan = None;
        // Ends: a pod is found to need more than was known, each time.
        let outcome = loop {
            match self.follow_plan(desired, &mut scan, datapath) {
                Attach::NoRoom => {}
                outcome => break outcome,
            }
        };
        self.has_more = outcome == Attach::More;
        if !self.has_more {
            self.end_left(datapath);
        }
    }

    fn follow_plan(
        &mut self,
        desired: &Desired,
        scan: &mut Option<Scan>,
        datapath: &Datapath,
    ) -> Attach {
        let now = Instant::now();
        let mut pods = desired.pods.clone();
        if let Some(limit) = &mut self.rate_limit {
            pods = limit.within(pods, now);
        }
        let pods = within(pods, &self.actual, self.options.max_targets);
        let actions = plan(&pods, &self.actual, now);
        let mut attaching = Vec::new();
        for action in actions {
            match action {
                Action::Detach { uid, why } => {
                    self.actual.note_needs(&uid);
                    self.detach(&uid, why.text(), datapath);
                }
                Action::Forget { uid } => {
                    self.actual.refused.remove(&uid);
                    self.actual.failed.remove(&uid);
                    self.refusals.remove(&uid);
                }
                Action::Refuse { pod, refusal } => {
                    self.refuse(&pod, &refusal);
                    self.actual.failed.remove(&pod.uid);
                    self.actual.refused.insert(pod.uid.clone(), refusal);
                }
                Action::Attach { pod, settings } => attaching.push((pod, settings)),
            }
        }
        if attaching.is_empty() {
            return Attach::Tried;
        }
        // One for all of them, made after they were asked for.
        let scan = scan.get_or_insert_with(|| self.scan());
        self.attach(attaching, scan, datapath)
    }

    /// When [`Tapping::follow`] is to be called again though nothing changed.
    #[must_use]
    pub fn next_follow(&self, desired: &Desired) -> Option<Instant> {
        match self.has_more {
            true => Some(Instant::now()),
            false => next_retry(&desired.pods, &self.actual),
        }
    }

    /// Ends all targets. Blocks.
    pub fn detach_all(&mut self, datapath: &Datapath) {
        let all: Vec<_> = self.targets.keys().cloned().collect();
        for uid in all {
            self.detach(&uid, "the agent stops", datapath);
        }
    }

    /// How many listen on the tap; `None` where the kernel does not say.
    #[must_use]
    pub fn tap_readers(&self) -> Option<usize> {
        self.tap.readers().ok()
    }

    /// Tells the agent's own pod that nobody listens on the tap, or that
    /// somebody does again.
    pub(super) fn tell_of_tap(&self, agent: &Pod, change: Change, note: &str) {
        match change {
            Change::Unread => self.events.unread(agent, note),
            Change::ReadAgain => self.events.read_again(agent, note),
        }
    }

    /// Gives the tap back, when nothing writes to it any more.
    #[must_use]
    pub fn into_tap(self) -> TapInterface {
        self.tap
    }

    fn refuse(&mut self, pod: &Arc<Pod>, refusal: &Refusal) {
        tracing::warn!(pod = %pod.key, reason = refusal.reason(), %refusal, "not tapped");
        self.events.refused(pod, refusal);
        self.refusals
            .insert(pod.uid.clone(), (Arc::clone(pod), refusal.clone()));
    }

    fn detach(&mut self, uid: &PodUid, why: &str, datapath: &Datapath) {
        let Some(tapped) = self.targets.remove(uid) else {
            return;
        };
        let needs_namespace = |standing: &Standing| standing.target.needs_namespace();
        let netns = (tapped.targets.iter().any(needs_namespace))
            .then(|| self.reopen(uid, &tapped))
            .flatten();
        let pod = self
            .actual
            .attached
            .remove(uid)
            .map(|attached| attached.pod);
        let name = pod
            .as_ref()
            .map_or_else(|| uid.to_string(), |pod| pod.key.to_string());
        for standing in tapped.targets {
            self.end(&name, standing, netns.as_ref(), datapath);
        }
        tracing::info!(pod = name, why, "untapped");
        if let Some(pod) = pod {
            self.events.untapped(&pod, why);
        }
    }

    /// Ends one target. `netns` is its namespace, if it is still there.
    fn end(&mut self, pod: &str, standing: Standing, netns: Option<&Netns>, datapath: &Datapath) {
        let target = standing.target;
        let (id, interface) = (target.id, target.link.name.clone());
        let before = target.ledger().unwrap_or_default();
        let ended = target.detach(netns);
        let last = ended.as_ref().copied().unwrap_or(before);
        self.retired = Ledger::together(&[self.retired, last]);
        match ended {
            Ok(ledger) => {
                let seen = ledger.total().seen;
                tracing::info!(
                    pod,
                    interface,
                    skbs = seen.packets,
                    bytes = seen.bytes,
                    "detached"
                );
            }
            Err(error) => tracing::error!(pod, interface, %error, "could not detach cleanly"),
        }
        datapath.retire(id);
    }

    /// The namespace of a pod that is tapped, if it still is there: by the
    /// process that was seen in it, else by any of the pod's.
    fn reopen(&self, uid: &PodUid, tapped: &Tapped) -> Option<Netns> {
        let open = |pid| {
            Netns::of_process(self.options.proc.path(), pid)
                .ok()
                .filter(|netns| netns.inode() == tapped.netns_inode)
        };
        open(tapped.pid).or_else(|| {
            let attached = self.actual.attached.get(uid)?;
            let processes = self.options.proc.scan().ok()?;
            processes
                .of(attached.pod.cgroup_uid())
                .iter()
                .copied()
                .find_map(open)
        })
    }
}
