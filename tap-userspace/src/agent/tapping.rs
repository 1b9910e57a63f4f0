//! The targets that stand, and the steps that make them so: what
//! [`plan`](crate::engine::plan) says, done.

mod blind;
mod interfaces;
mod left;
mod report;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

pub(super) use interfaces::{InterfacesError, wanted_links};

use super::{
    clocks::realtime_ns,
    datapath::Datapath,
    listening::Change,
    metrics::Timings,
    pod_netns::{self, PodNetnsError},
    tap::TapInterface,
    target::{Target, TargetError, TargetOptions},
};
use crate::{
    adapter::{
        bpf::{Hook, PinKey, Shared, TargetPins},
        kube::{Desired, Events},
        link::Link,
        netns::Netns,
        process::{ProcDir, ProcessError, Processes},
    },
    engine::{
        actual::{Actual, Attached, Failed},
        drift::Drift,
        plan::{Action, next_retry, plan},
    },
    model::{
        Directions, Ledger, Segment, TargetId,
        pod::{Pod, PodUid},
        refusal::Refusal,
        settings::Settings,
    },
};

/// A failure is told to the pod's owner when it was met this often: with the
/// plan's retries, after about three seconds. Before, the pod may just not be
/// there yet.
const TELL_AFTER_TRIES: u32 = 7;

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

/// The node's processes, and how long it took to look.
type Scan = (Result<Processes, ProcessError>, Duration);

/// Why a pod could not be tapped.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error(transparent)]
    Netns(#[from] PodNetnsError),
    #[error(transparent)]
    Interfaces(#[from] InterfacesError),
    #[error(transparent)]
    Target(#[from] TargetError),
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
            options,
            tap,
            events,
            actual: Actual::default(),
            targets: BTreeMap::new(),
            refusals: BTreeMap::new(),
            last_id,
            left: left.into_iter().collect(),
            retired: Ledger::default(),
            failures: 0,
            timings: Timings::default(),
        }
    }

    /// Makes what stands equal what is desired, as far as that succeeds.
    /// Blocks.
    pub fn follow(&mut self, desired: &Desired, datapath: &Datapath) {
        if !desired.synced {
            return;
        }
        let actions = plan(&desired.pods, &self.actual, Instant::now());
        // One scan for all of them, made after they were asked for.
        let began = Instant::now();
        let scan = actions
            .iter()
            .any(|action| matches!(action, Action::Attach { .. }))
            .then(|| (self.options.proc.scan(), began.elapsed()));
        for action in actions {
            match action {
                Action::Detach { uid, why } => self.detach(&uid, why.text(), datapath),
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
                Action::Attach { pod, settings } => {
                    if let Some(scan) = &scan {
                        self.attach(&pod, settings, scan, datapath);
                    }
                }
            }
        }
        self.end_left(datapath);
    }

    /// When [`Tapping::follow`] is to be called again though nothing changed.
    #[must_use]
    pub fn next_retry(&self, desired: &Desired) -> Option<Instant> {
        next_retry(&desired.pods, &self.actual)
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

    fn attach(&mut self, pod: &Arc<Pod>, settings: Settings, scan: &Scan, datapath: &Datapath) {
        match self.try_attach(pod, &settings, scan, datapath) {
            Ok(tapped) => {
                self.say_tapped(pod, &tapped.targets);
                self.actual.failed.remove(&pod.uid);
                self.refusals.remove(&pod.uid);
                let pod = Arc::clone(pod);
                self.targets.insert(pod.uid.clone(), tapped);
                self.actual
                    .attached
                    .insert(pod.uid.clone(), Attached { pod, settings });
            }
            Err(error) => self.fail(pod, &error),
        }
    }

    fn try_attach(
        &mut self,
        pod: &Pod,
        settings: &Settings,
        (scan, scan_time): &Scan,
        datapath: &Datapath,
    ) -> Result<Tapped, AttachError> {
        let began = Instant::now();
        let found = match scan {
            Ok(processes) => pod_netns::find(&self.options.proc, pod, processes)?,
            // The error cannot be shared among the pods: read again.
            Err(_) => pod_netns::find(
                &self.options.proc,
                pod,
                &self.options.proc.scan().map_err(PodNetnsError::from)?,
            )?,
        };
        self.timings.resolved(began.elapsed() + *scan_time);
        let links = wanted_links(&found.netns, settings)?;
        let mut tapped = Tapped {
            targets: Vec::new(),
            netns_inode: found.netns.inode(),
            pid: found.pid,
        };
        for link in links {
            match self.attach_interface(pod, settings, &found.netns, link, datapath) {
                Ok(standing) => tapped.targets.push(standing),
                // All of them or none: half a pod would pass for a whole one.
                Err(error) => {
                    for standing in tapped.targets {
                        self.end(&pod.key.to_string(), standing, Some(&found.netns), datapath);
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(tapped)
    }

    fn attach_interface(
        &mut self,
        pod: &Pod,
        settings: &Settings,
        netns: &Netns,
        link: Link,
        datapath: &Datapath,
    ) -> Result<Standing, TargetError> {
        let (pins, is_taken_over) = self.pins(pod, netns, &link);
        let id = pins.as_ref().map_or_else(|| self.next_id(), |pins| pins.id);
        let mtu_bytes = link.mtu_bytes;
        let options = TargetOptions {
            id,
            directions: settings.directions.unwrap_or(self.options.directions),
            hook: self.options.hook,
            pins,
        };
        // Before its first record.
        datapath.announce(id, settings.segment.unwrap_or(self.options.segment));
        let began = Instant::now();
        let target = Target::attach_link(&self.shared, netns, link, options)
            .inspect_err(|_| datapath.retire(id))?;
        self.timings.attached(began.elapsed());
        if let Err(error) = self.tap.fit(mtu_bytes) {
            tracing::warn!(%error, pod = %pod.key, "the tap's MTU stays below the pod's");
        }
        let drift = Drift::new(target.directions.list());
        Ok(Standing {
            target,
            drift,
            since_ns: realtime_ns(),
            is_taken_over,
        })
    }

    fn next_id(&mut self) -> TargetId {
        self.last_id += 1;
        TargetId(self.last_id)
    }

    fn say_tapped(&self, pod: &Pod, targets: &[Standing]) {
        let mut names = Vec::new();
        for standing in targets {
            let target = &standing.target;
            tracing::info!(
                pod = %pod.key,
                uid = %pod.uid,
                interface = target.link.name,
                hook = %target.hook(),
                taken_over = standing.is_taken_over,
                "tapped"
            );
            names.push(target.link.name.as_str());
        }
        // To the pod's owner nothing has changed.
        if targets.iter().all(|standing| standing.is_taken_over) {
            return;
        }
        let names = names.join(", ");
        self.events
            .tapped(pod, &format!("podtap mirrors the traffic of {names}"));
    }

    fn fail(&mut self, pod: &Arc<Pod>, error: &AttachError) {
        self.failures += 1;
        let before = self.actual.failed.get(&pod.uid);
        let failed = Failed::again(before, Arc::clone(pod), Instant::now());
        let is_passing = matches!(
            error,
            AttachError::Netns(PodNetnsError::Process(error)) if error.is_passing()
        ) || matches!(error, AttachError::Interfaces(_));
        let tell_now = failed.tries == TELL_AFTER_TRIES || (!is_passing && failed.tries == 1);
        if tell_now {
            let refusal = match error {
                AttachError::Netns(PodNetnsError::Process(error)) => error.refusal(pod),
                other => Refusal::AttachFailed {
                    what: other.to_string(),
                },
            };
            self.refuse(pod, &refusal);
        } else {
            tracing::debug!(pod = %pod.key, tries = failed.tries, %error, "not tapped yet");
        }
        self.actual.failed.insert(pod.uid.clone(), failed);
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
