//! The targets that stand, and the steps that make them so: what
//! [`plan`](crate::engine::plan) says, done.

mod report;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tap_common::Direction;

use super::{
    clocks::realtime_ns,
    datapath::Datapath,
    pod_netns::{self, PodNetnsError},
    tap::TapInterface,
    target::{Target, TargetError},
};
use crate::{
    adapter::{
        bpf::{Hook, Shared},
        kube::{Desired, Events},
        netns::Netns,
        process::{ProcDir, ProcessError, Processes},
    },
    engine::{
        actual::{Actual, Failed},
        plan::{Action, next_retry, plan},
    },
    model::{
        TargetId,
        pod::{Pod, PodUid},
        refusal::Refusal,
    },
};

/// Interface of a pod that is tapped.
const INTERFACE: &str = "eth0";

/// A failure is told to the pod's owner when it was met this often: with the
/// plan's retries, after about three seconds. Before, the pod may just not be
/// there yet.
const TELL_AFTER_TRIES: u32 = 7;

/// All targets of this node.
#[derive(Debug)]
pub struct Tapping {
    shared: Shared,
    proc: ProcDir,
    hook: Hook,
    tap: TapInterface,
    events: Events,
    actual: Actual,
    targets: BTreeMap<PodUid, Tapped>,
    refusals: BTreeMap<PodUid, (Arc<Pod>, Refusal)>,
    last_id: u32,
}

#[derive(Debug)]
struct Tapped {
    target: Target,
    /// A process of the pod that lived in its namespace.
    pid: u32,
    since_ns: u64,
}

/// Why a pod could not be tapped.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error(transparent)]
    Netns(#[from] PodNetnsError),
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl Tapping {
    /// None yet; `tap` is where their frames go.
    #[must_use]
    pub fn new(
        shared: Shared,
        proc: ProcDir,
        hook: Hook,
        tap: TapInterface,
        events: Events,
    ) -> Self {
        Self {
            shared,
            proc,
            hook,
            tap,
            events,
            actual: Actual::default(),
            targets: BTreeMap::new(),
            refusals: BTreeMap::new(),
            last_id: 0,
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
        let scan = actions
            .iter()
            .any(|action| matches!(action, Action::Attach { .. }))
            .then(|| self.proc.scan());
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
                Action::Attach { pod } => {
                    if let Some(scan) = &scan {
                        self.attach(&pod, scan);
                    }
                }
            }
        }
    }

    /// When [`Tapping::follow`] is to be called again though nothing changed.
    #[must_use]
    pub fn next_retry(&self, desired: &Desired) -> Option<Instant> {
        next_retry(&desired.pods, &self.actual)
    }

    /// Ends targets whose interface is gone; the plan taps it anew if it comes
    /// back. Blocks.
    pub fn check_interfaces(&mut self, datapath: &Datapath) {
        let gone: Vec<_> = self
            .targets
            .iter()
            .filter(|(uid, tapped)| !self.is_there(uid, tapped))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in gone {
            self.detach(&uid, "its interface is gone", datapath);
        }
    }

    /// Ends all targets. Blocks.
    pub fn detach_all(&mut self, datapath: &Datapath) {
        let all: Vec<_> = self.targets.keys().cloned().collect();
        for uid in all {
            self.detach(&uid, "the agent stops", datapath);
        }
    }

    /// Gives the tap back, when nothing writes to it any more.
    #[must_use]
    pub fn into_tap(self) -> TapInterface {
        self.tap
    }

    fn attach(&mut self, pod: &Arc<Pod>, scan: &Result<Processes, ProcessError>) {
        let started = Instant::now();
        match self.try_attach(pod, scan) {
            Ok(tapped) => {
                tracing::info!(
                    pod = %pod.key,
                    uid = %pod.uid,
                    interface = tapped.target.link.name,
                    hook = %tapped.target.hook(),
                    took_us = micros(started.elapsed()),
                    "tapped"
                );
                self.events
                    .tapped(pod, &format!("podtap mirrors the traffic of {INTERFACE}"));
                self.actual.failed.remove(&pod.uid);
                self.refusals.remove(&pod.uid);
                self.actual
                    .attached
                    .insert(pod.uid.clone(), Arc::clone(pod));
                self.targets.insert(pod.uid.clone(), tapped);
            }
            Err(error) => self.fail(pod, &error),
        }
    }

    fn try_attach(
        &mut self,
        pod: &Pod,
        scan: &Result<Processes, ProcessError>,
    ) -> Result<Tapped, AttachError> {
        let found = match scan {
            Ok(processes) => pod_netns::find(&self.proc, pod, processes)?,
            // The error cannot be shared among the pods: read again.
            Err(_) => pod_netns::find(
                &self.proc,
                pod,
                &self.proc.scan().map_err(PodNetnsError::from)?,
            )?,
        };
        self.last_id += 1;
        let target = Target::attach(
            &self.shared,
            TargetId(self.last_id),
            &found.netns,
            INTERFACE,
            &Direction::ALL,
            self.hook,
        )?;
        if let Err(error) = self.tap.fit(target.link.mtu_bytes) {
            tracing::warn!(%error, pod = %pod.key, "the tap's MTU stays below the pod's");
        }
        Ok(Tapped {
            target,
            pid: found.pid,
            since_ns: realtime_ns(),
        })
    }

    fn fail(&mut self, pod: &Arc<Pod>, error: &AttachError) {
        let before = self.actual.failed.get(&pod.uid);
        let failed = Failed::again(before, Arc::clone(pod), Instant::now());
        let is_passing = matches!(
            error,
            AttachError::Netns(PodNetnsError::Process(error)) if error.is_passing()
        );
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
        let Some(Tapped { target, pid, .. }) = self.targets.remove(uid) else {
            return;
        };
        let pod = self.actual.attached.remove(uid);
        let name = pod
            .as_ref()
            .map_or_else(|| uid.to_string(), |pod| pod.key.to_string());
        let id = target.id;
        let netns = target
            .needs_namespace()
            .then(|| self.reopen(uid, pid, target.netns_inode))
            .flatten();
        match target.detach(netns.as_ref()) {
            Ok(ledger) => {
                let seen = ledger.total().seen;
                tracing::info!(
                    pod = name,
                    why,
                    skbs = seen.packets,
                    bytes = seen.bytes,
                    "untapped"
                );
            }
            Err(error) => tracing::error!(pod = name, why, %error, "could not untap cleanly"),
        }
        datapath.retire(id);
        if let Some(pod) = pod {
            self.events.untapped(&pod, why);
        }
    }

    /// The namespace of a target, if it still is there: by the process that
    /// was seen in it, else by any of the pod's.
    fn reopen(&self, uid: &PodUid, pid: u32, inode: u64) -> Option<Netns> {
        let open = |pid| {
            Netns::of_process(self.proc.path(), pid)
                .ok()
                .filter(|netns| netns.inode() == inode)
        };
        open(pid).or_else(|| {
            let pod = self.actual.attached.get(uid)?;
            let processes = self.proc.scan().ok()?;
            processes
                .of(pod.cgroup_uid())
                .iter()
                .copied()
                .find_map(open)
        })
    }

    /// Whether the interface that was attached to still exists.
    fn is_there(&self, uid: &PodUid, tapped: &Tapped) -> bool {
        self.reopen(uid, tapped.pid, tapped.target.netns_inode)
            .is_some_and(|netns| tapped.target.is_in(&netns))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
