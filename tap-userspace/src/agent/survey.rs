//! What labelling pods of this node would do: their interfaces are read, twice,
//! and nothing is attached.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tap_common::Count;

use super::{
    pod_netns::{self, PodNetnsError},
    tapping::{InterfacesError, wanted_links},
};
use crate::{
    adapter::{
        link::{Link, LinkError, Links},
        netns::Netns,
        process::{ProcDir, ProcessError, Processes},
    },
    model::{
        opt_in::{Namespace, Own},
        pod::Pod,
        rate::Rate,
        refusal::Refusal,
        settings::Settings,
        status::Status,
        survey::{Decision, Prospect, Survey, SurveyedInterface, SurveyedPod, Total, decide},
    },
};

/// What is asked.
#[derive(Clone, Debug)]
pub struct SurveyOptions {
    /// The node, which the pods are on.
    pub node: String,
    /// Where its proc file system is.
    pub proc: ProcDir,
    /// By what podtap's own pods are known.
    pub own: Own,
    /// Whether each pod is taken as if it had the label; else only those count
    /// that are opted in.
    pub as_if_labelled: bool,
}

/// A survey between its two looks at the counters.
#[derive(Debug)]
pub struct Begun {
    options: SurveyOptions,
    pods: Vec<Looked>,
}

/// A pod that was looked at once.
#[derive(Debug)]
struct Looked {
    pod: SurveyedPod,
    reading: Option<Reading>,
}

/// The counters of a pod's interfaces at one time. The namespace itself is not
/// held open.
#[derive(Debug)]
struct Reading {
    pid: u32,
    netns_inode: u64,
    at: Instant,
    links: Vec<Link>,
}

/// Why a pod's interfaces cannot be read.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("{0}")]
    Scan(String),
    #[error(transparent)]
    PodNetns(#[from] PodNetnsError),
    #[error(transparent)]
    Interfaces(#[from] InterfacesError),
}

impl Begun {
    /// Decides on the pods and reads their interfaces' counters once.
    /// `status` is what the agent says of itself, if it could be asked. Blocks.
    #[must_use]
    pub fn new(
        options: SurveyOptions,
        mut pods: Vec<Pod>,
        namespaces: &BTreeMap<String, Namespace>,
        status: Option<&Status>,
    ) -> Self {
        pods.sort_by(|one, other| one.key.cmp(&other.key));
        let scan = options.proc.scan();
        // A pod's namespace may have come since.
        let unknown = Namespace::default();
        let look = |pod: Pod| {
            let namespace = namespaces.get(&pod.key.namespace).unwrap_or(&unknown);
            let decision = decide(&pod, namespace, &options.own, options.as_if_labelled)?;
            Some(look(&options.proc, &scan, &pod, decision, status))
        };
        Self {
            pods: pods.into_iter().filter_map(look).collect(),
            options,
        }
    }

    /// Reads the counters again; what was added by then is the traffic. Blocks.
    #[must_use]
    pub fn end(self, over: Duration) -> Survey {
        let proc = self.options.proc;
        let pods: Vec<_> = self
            .pods
            .into_iter()
            .map(|looked| match looked.reading {
                Some(reading) => SurveyedPod {
                    interfaces: reading.rates(&proc),
                    ..looked.pod
                },
                None => looked.pod,
            })
            .collect();
        Survey {
            node: self.options.node,
            over_ms: u64::try_from(over.as_millis()).unwrap_or(u64::MAX),
            total: Total::of(&pods),
            pods,
        }
    }
}

fn look(
    proc: &ProcDir,
    scan: &Result<Processes, ProcessError>,
    pod: &Pod,
    decision: Decision,
    status: Option<&Status>,
) -> Looked {
    let mut surveyed = SurveyedPod {
        namespace: pod.key.namespace.clone(),
        pod: pod.key.name.clone(),
        uid: pod.uid.to_string(),
        prospect: Prospect::Finished,
        reason: None,
        message: None,
        interfaces: Vec::new(),
    };
    let settings = match decision {
        Decision::Finished => None,
        Decision::Refused(refusal) => {
            surveyed.refuse(refusal.reason(), &refusal);
            None
        }
        Decision::WouldBeTapped(settings) => {
            surveyed.prospect = Prospect::WouldBeTapped;
            Some(settings)
        }
        Decision::OptedIn(settings) => {
            surveyed.as_agent_says(status);
            surveyed.prospect.is_on_tap().then_some(settings)
        }
    };
    let reading = settings.and_then(|settings| match read(proc, scan, pod, &settings) {
        Ok(reading) => Some(reading),
        Err(error) => {
            surveyed.note(&error, pod);
            None
        }
    });
    Looked {
        pod: surveyed,
        reading,
    }
}

fn read(
    proc: &ProcDir,
    scan: &Result<Processes, ProcessError>,
    pod: &Pod,
    settings: &Settings,
) -> Result<Reading, LookError> {
    let processes = scan
        .as_ref()
        .map_err(|error| LookError::Scan(error.to_string()))?;
    let found = pod_netns::find(proc, pod, processes)?;
    let links = wanted_links(&found.netns, settings)?;
    Ok(Reading {
        pid: found.pid,
        netns_inode: found.netns.inode(),
        at: Instant::now(),
        links,
    })
}

impl SurveyedPod {
    fn refuse(&mut self, reason: &str, message: &impl ToString) {
        self.prospect = Prospect::Refused;
        self.reason = Some(reason.into());
        self.message = Some(message.to_string());
    }

    /// What the agent does with a pod that is opted in.
    fn as_agent_says(&mut self, status: Option<&Status>) {
        self.prospect = Prospect::OptedIn;
        let Some(status) = status else {
            return;
        };
        let is_it = |namespace: &str, pod: &str| namespace == self.namespace && pod == self.pod;
        if status.targets.iter().any(|target| target.uid == self.uid) {
            self.prospect = Prospect::Tapped;
        } else if let Some(refused) = status
            .refused
            .iter()
            .find(|refused| is_it(&refused.namespace, &refused.pod))
        {
            self.refuse(&refused.reason, &refused.message);
        }
    }

    /// Why its interfaces are not known. What would stay so, the agent would
    /// refuse it for.
    fn note(&mut self, error: &LookError, pod: &Pod) {
        let refusal = match error {
            LookError::PodNetns(PodNetnsError::Process(error @ ProcessError::Ambiguous { .. })) => {
                Some(error.refusal(pod))
            }
            LookError::Interfaces(error @ InterfacesError::None { .. }) => {
                Some(Refusal::AttachFailed {
                    what: error.to_string(),
                })
            }
            _ => None,
        };
        match refusal {
            Some(refusal) => self.refuse(refusal.reason(), &refusal),
            None => self.message = Some(error.to_string()),
        }
    }
}

impl Reading {
    /// What each interface carried since.
    fn rates(self, proc: &ProcDir) -> Vec<SurveyedInterface> {
        let later = self.again(proc).unwrap_or_default();
        let elapsed = self.at.elapsed();
        self.links
            .into_iter()
            .map(|before| {
                let is_it = |link: &&Link| link.index == before.index && link.name == before.name;
                let after = later.iter().find(is_it);
                let rate = |counts: fn(&Link) -> Count| {
                    Rate::between(counts(&before), counts(after?), elapsed)
                };
                SurveyedInterface {
                    // On loopback what is received is what was sent, and one
                    // direction is tapped.
                    received: match before.is_loopback {
                        true => after.map(|_| Rate::default()),
                        false => rate(received),
                    },
                    sent: rate(sent),
                    interface: before.name,
                }
            })
            .collect()
    }

    /// The interfaces as they are now; `None` if the namespace is gone.
    fn again(&self, proc: &ProcDir) -> Option<Vec<Link>> {
        let netns = Netns::of_process(proc.path(), self.pid)
            .ok()
            .filter(|netns| netns.inode() == self.netns_inode)
            .or_else(|| Netns::of_any_process(proc.path(), self.netns_inode))?;
        let links: Result<_, LinkError> = netns.inside(|| Links::open()?.list()).ok()?;
        links.ok()
    }
}

fn received(link: &Link) -> Count {
    Count {
        packets: link.counters.rx_packets,
        bytes: link.counters.rx_bytes,
    }
}

fn sent(link: &Link) -> Count {
    Count {
        packets: link.counters.tx_packets,
        bytes: link.counters.tx_bytes,
    }
}
