//! Pods are tapped, several at once.
//!
//! A TCX link is made while the kernel waits for an RCU grace period, with the
//! RTNL lock held (`tcx_link_attach` in kernel/bpf/tcx.c, `tcx_entry_sync` in
//! include/net/tcx.h): that is one after the other, and most of the time that
//! a target takes. Meanwhile the programs of the next ones are verified.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{InterfacesError, Standing, Tapped, Tapping, wanted_links};
use crate::{
    adapter::{
        bpf::Shared,
        link::Link,
        netns::Netns,
        process::{ProcessError, Processes},
    },
    agent::{
        clocks::realtime_ns,
        datapath::Datapath,
        pod_netns::{self, PodNetns, PodNetnsError},
        target::{Target, TargetError, TargetOptions},
    },
    engine::{
        actual::{Attached, Needs},
        drift::Drift,
    },
    model::{
        TargetId,
        pod::{Pod, PodUid},
        settings::Settings,
    },
};

/// How many pods' namespaces are held open at once.
const TOGETHER: usize = 16;
/// How many of them are worked on at once.
const WORKERS: usize = 4;

/// The node's processes, and how long it took to look.
pub(super) type Scan = (Result<Processes, ProcessError>, Duration);

/// Why a pod could not be tapped.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttachError {
    #[error(transparent)]
    Netns(#[from] PodNetnsError),
    #[error(transparent)]
    Interfaces(#[from] InterfacesError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("there is no room for its {interfaces} interfaces")]
    NoRoom { interfaces: usize },
}

/// What became of the pods that were to be tapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attach {
    /// Each is tapped, or it was said why not.
    Tried,
    /// One needs more room than it was known to, and that is known now. Those
    /// behind it were not tried.
    NoRoom,
    /// So were those that there are; others were not tried yet.
    More,
}

/// A pod that can be tapped.
struct Found {
    pod: Arc<Pod>,
    settings: Settings,
    netns: PodNetns,
    interfaces: Vec<Interface>,
}

/// One of its interfaces, with all that attaching to it needs.
struct Interface {
    link: Link,
    options: TargetOptions,
    is_taken_over: bool,
}

/// What came of one.
struct Made {
    id: TargetId,
    mtu_bytes: u32,
    is_taken_over: bool,
    took: Duration,
    since_ns: u64,
    target: Result<Target, TargetError>,
}

impl Tapping {
    /// Taps the first of these pods, each as far as that succeeds: so many that
    /// whoever asks the agent something meanwhile does not wait long. Blocks.
    pub(super) fn attach(
        &mut self,
        pods: Vec<(Arc<Pod>, Settings)>,
        scan: &Scan,
        datapath: &Datapath,
    ) -> Attach {
        let mut outcome = match pods.len() {
            ..=TOGETHER => Attach::Tried,
            _ => Attach::More,
        };
        let mut found: Vec<Found> = Vec::new();
        for (pod, settings) in pods.into_iter().take(TOGETHER) {
            let before = found.iter().map(|found| found.interfaces.len()).sum();
            match self.find(&pod, &settings, before, scan, datapath) {
                Ok((netns, interfaces)) => found.push(Found {
                    pod,
                    settings,
                    netns,
                    interfaces,
                }),
                Err(AttachError::NoRoom { interfaces }) => {
                    let needs = Needs {
                        settings,
                        interfaces,
                    };
                    self.actual.needs.insert(pod.uid.clone(), needs);
                    outcome = Attach::NoRoom;
                    break;
                }
                Err(error) => self.fail(&pod, &error),
            }
        }
        for (of, made) in make_all(&self.shared, found) {
            self.attached(of, made, datapath);
        }
        outcome
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

    /// Looks for the pod's namespace and its interfaces, for which there has to
    /// be room beside so many that are about to be attached to.
    fn find(
        &mut self,
        pod: &Arc<Pod>,
        settings: &Settings,
        before: usize,
        (scan, scan_time): &Scan,
        datapath: &Datapath,
    ) -> Result<(PodNetns, Vec<Interface>), AttachError> {
        let began = Instant::now();
        let netns = match scan {
            Ok(processes) => pod_netns::find(&self.options.proc, pod, processes)?,
            // The error cannot be shared among the pods: read again.
            Err(_) => pod_netns::find(
                &self.options.proc,
                pod,
                &self.options.proc.scan().map_err(PodNetnsError::from)?,
            )?,
        };
        self.timings.resolved(began.elapsed() + *scan_time);
        let links = wanted_links(&netns.netns, settings)?;
        if links.len() + before > self.room_beside_others(&pod.uid) {
            return Err(AttachError::NoRoom {
                interfaces: links.len(),
            });
        }
        let interfaces = links
            .into_iter()
            .map(|link| self.ready(pod, settings, &netns.netns, link, datapath))
            .collect();
        Ok((netns, interfaces))
    }

    /// Takes in what came of a pod: all of its interfaces or none, since half a
    /// pod would pass for a whole one.
    fn attached(&mut self, found: Found, made: Vec<Made>, datapath: &Datapath) {
        let Found {
            pod,
            settings,
            netns,
            interfaces: untried,
        } = found;
        let mut targets = Vec::new();
        let mut failed = None;
        for made in made {
            match self.standing(&pod, made, datapath) {
                Ok(standing) => targets.push(standing),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            for interface in untried {
                datapath.retire(interface.options.id);
            }
            for standing in targets {
                self.end(&pod.key.to_string(), standing, Some(&netns.netns), datapath);
            }
            self.fail(&pod, &error.into());
            return;
        }
        self.say_tapped(&pod, &targets);
        self.actual.failed.remove(&pod.uid);
        self.refusals.remove(&pod.uid);
        self.actual.needs.remove(&pod.uid);
        let uid = pod.uid.clone();
        let attached = Attached {
            interfaces: targets.len(),
            settings,
            pod,
        };
        let tapped = Tapped {
            targets,
            netns_inode: netns.netns.inode(),
            pid: netns.pid,
            left_out: BTreeMap::new(),
        };
        self.targets.insert(uid.clone(), tapped);
        self.actual.attached.insert(uid, attached);
    }

    /// Taps one interface more of a pod.
    pub(super) fn attach_interface(
        &mut self,
        pod: &Pod,
        settings: &Settings,
        netns: &Netns,
        link: Link,
        datapath: &Datapath,
    ) -> Result<Standing, TargetError> {
        let interface = self.ready(pod, settings, netns, link, datapath);
        let made = make(&self.shared, netns, interface);
        self.standing(pod, made, datapath)
    }

    fn ready(
        &mut self,
        pod: &Pod,
        settings: &Settings,
        netns: &Netns,
        link: Link,
        datapath: &Datapath,
    ) -> Interface {
        let (pins, is_taken_over) = self.pins(pod, netns, &link);
        let id = pins.as_ref().map_or_else(|| self.next_id(), |pins| pins.id);
        // Before its first record.
        datapath.announce(id, settings.segment.unwrap_or(self.options.segment));
        Interface {
            link,
            options: TargetOptions {
                id,
                directions: settings.directions.unwrap_or(self.options.directions),
                hook: self.options.hook,
                is_enabled: !self.is_paused,
                pins,
            },
            is_taken_over,
        }
    }

    pub(super) fn next_id(&mut self) -> TargetId {
        self.last_id += 1;
        TargetId(self.last_id)
    }

    fn standing(
        &mut self,
        pod: &Pod,
        made: Made,
        datapath: &Datapath,
    ) -> Result<Standing, TargetError> {
        let target = made.target.inspect_err(|_| datapath.retire(made.id))?;
        self.timings.attached(made.took);
        if let Err(error) = self.tap.fit(made.mtu_bytes) {
            tracing::warn!(%error, pod = %pod.key, "the tap's MTU stays below the pod's");
        }
        let drift = Drift::new(target.directions.list());
        Ok(Standing {
            target,
            drift,
            since_ns: made.since_ns,
            is_taken_over: made.is_taken_over,
        })
    }
}

/// Attaches to all of these pods. Gives each with what came of its interfaces
/// up to the first that failed; those behind it are left in it.
fn make_all(shared: &Shared, found: Vec<Found>) -> Vec<(Found, Vec<Made>)> {
    let workers = WORKERS.min(found.len());
    let waiting = Mutex::new(found.into_iter());
    let done = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next();
            let Some(mut found) = next else { return };
            let mut made = Vec::new();
            let mut interfaces = mem::take(&mut found.interfaces).into_iter();
            for interface in interfaces.by_ref() {
                made.push(make(shared, &found.netns.netns, interface));
                if made.last().is_some_and(|made| made.target.is_err()) {
                    break;
                }
            }
            found.interfaces = interfaces.collect();
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((found, made));
        }
    };
    thread::scope(|scope| {
        for _ in 1..workers {
            // Without it there are fewer of them.
            let _ = thread::Builder::new()
                .name("podtap-attach".into())
                .spawn_scoped(scope, work);
        }
        work();
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn make(shared: &Shared, netns: &Netns, interface: Interface) -> Made {
    let began = Instant::now();
    let (id, mtu_bytes) = (interface.options.id, interface.link.mtu_bytes);
    let target = Target::attach_link(shared, netns, interface.link, interface.options);
    Made {
        id,
        mtu_bytes,
        is_taken_over: interface.is_taken_over,
        took: began.elapsed(),
        since_ns: realtime_ns(),
        target,
    }
}
