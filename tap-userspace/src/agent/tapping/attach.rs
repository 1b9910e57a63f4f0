//! How a pod becomes tapped, and what is said of it: or of why it did not.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{InterfacesError, Standing, Tapped, Tapping, wanted_links};
use crate::{
    adapter::{
        link::Link,
        netns::Netns,
        process::{ProcessError, Processes},
    },
    agent::{
        clocks::realtime_ns,
        datapath::Datapath,
        pod_netns::{self, PodNetnsError},
        target::{Target, TargetError, TargetOptions},
    },
    engine::{
        actual::{Attached, Failed, Needs},
        drift::Drift,
    },
    model::{
        TargetId,
        pod::{Pod, PodUid},
        refusal::Refusal,
        settings::Settings,
    },
};

/// A failure is told to the pod's owner when it was met this often: with the
/// plan's retries, after about three seconds. Before, the pod may just not be
/// there yet.
const TELL_AFTER_TRIES: u32 = 7;

/// The node's processes, and how long it took to look.
pub(super) type Scan = (Result<Processes, ProcessError>, Duration);

/// Why a pod could not be tapped.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error(transparent)]
    Netns(#[from] PodNetnsError),
    #[error(transparent)]
    Interfaces(#[from] InterfacesError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("there is no room for its {interfaces} interfaces")]
    NoRoom { interfaces: usize },
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attach {
    /// The pod is tapped, or it was said why not.
    Tried,
    /// It needs more room than it was known to, and that is known now.
    NoRoom,
}

impl Tapping {
    pub(super) fn attach(
        &mut self,
        pod: &Arc<Pod>,
        settings: Settings,
        scan: &Scan,
        datapath: &Datapath,
    ) -> Attach {
        match self.try_attach(pod, &settings, scan, datapath) {
            Ok(tapped) => {
                self.say_tapped(pod, &tapped.targets);
                self.actual.failed.remove(&pod.uid);
                self.refusals.remove(&pod.uid);
                self.actual.needs.remove(&pod.uid);
                let attached = Attached {
                    interfaces: tapped.targets.len(),
                    settings,
                    pod: Arc::clone(pod),
                };
                self.targets.insert(pod.uid.clone(), tapped);
                self.actual.attached.insert(pod.uid.clone(), attached);
            }
            Err(AttachError::NoRoom { interfaces }) => {
                let needs = Needs {
                    settings,
                    interfaces,
                };
                self.actual.needs.insert(pod.uid.clone(), needs);
                return Attach::NoRoom;
            }
            Err(error) => self.fail(pod, &error),
        }
        Attach::Tried
    }

    /// Looks at all processes of the node.
    pub(super) fn scan(&self) -> Scan {
        let began = Instant::now();
        (self.options.proc.scan(), began.elapsed())
    }

    /// How many targets there may be beside those that stand for other pods
    /// than this one.
    pub(super) fn room_beside_others(&self, uid: &PodUid) -> usize {
        let others = self.targets.iter().filter(|(other, _)| *other != uid);
        let stand: usize = others.map(|(_, tapped)| tapped.targets.len()).sum();
        self.options.max_targets.saturating_sub(stand)
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
        if links.len() > self.room_beside_others(&pod.uid) {
            return Err(AttachError::NoRoom {
                interfaces: links.len(),
            });
        }
        let mut tapped = Tapped {
            targets: Vec::new(),
            netns_inode: found.netns.inode(),
            pid: found.pid,
            left_out: BTreeMap::new(),
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

    pub(super) fn attach_interface(
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
            is_enabled: !self.is_paused,
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

    pub(super) fn next_id(&mut self) -> TargetId {
        self.last_id += 1;
        TargetId(self.last_id)
    }

    pub(super) fn say_tapped(&self, pod: &Pod, targets: &[Standing]) {
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
}
