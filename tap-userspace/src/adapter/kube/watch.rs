//! Watches the pods of one node, and the namespaces for their labels.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as api;
use kube::api::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::watch;

use super::convert::{namespace_from_api, pod_from_api};
use super::feed::{Feed, FeedState, Step};
use super::outage::Outage;
use super::store::Store;
use crate::model::opt_in::{DesiredPod, Namespace, Own, wanted};
use crate::model::pod::{Pod, PodUid};
use crate::model::settings::{Annotations, Settings};

/// The pods of the node, and what is to become of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Whether pods and namespaces were ever listed to the end. Before that
    /// there are no pods here, and nothing is to be planned.
    pub synced: bool,
    /// All pods of the node, by UID.
    pub pods: BTreeMap<PodUid, DesiredPod>,
}

/// How it stands between the watch and the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiState {
    /// No answer yet, and no error.
    Connecting,
    /// It answers.
    There,
    /// It does not answer, or refuses the watch. What was last known of the
    /// pods stands.
    Away,
}

/// What a watch tells. Each holds the latest value; values in between can be
/// missed, and none is lost in the end.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The pods. Changes only when something changed that podtap heeds.
    pub desired: watch::Receiver<Arc<Desired>>,
    /// How it stands with the API server.
    pub api: watch::Receiver<ApiState>,
}

/// Watches the pods that are bound to `node`. The future does the work: it
/// never ends, and can be dropped at any time.
///
/// While the API server is away it is tried again and again, at intervals up
/// to 30 s, and the last snapshot stays. It is logged once when it goes and
/// once when it is back.
#[must_use = "the future does the work"]
pub fn watch_node(
    client: &Client,
    node: &str,
    own: Own,
) -> (Watch, impl Future<Output = ()> + Send + use<>) {
    let (desired_sender, desired) = watch::channel(Arc::default());
    let (api_sender, api) = watch::channel(ApiState::Connecting);
    let of_node = watcher::Config::default().fields(&format!("spec.nodeName={node}"));
    let pods = Feed::new(client, of_node, Api::all);
    let namespaces = Feed::new(client, watcher::Config::default(), Api::all);
    let watching = Watching {
        own,
        pods: Store::default(),
        namespaces: Store::default(),
        desired: desired_sender,
        api: api_sender,
        outage: Outage::default(),
    };
    (Watch { desired, api }, watching.run(pods, namespaces))
}

type NamespaceMeta = PartialObjectMeta<api::Namespace>;

struct Watching {
    own: Own,
    pods: Store<PodUid, Arc<Pod>>,
    /// By name.
    namespaces: Store<String, Namespace>,
    desired: watch::Sender<Arc<Desired>>,
    api: watch::Sender<ApiState>,
    outage: Outage,
}

impl Watching {
    async fn run(mut self, mut pods: Feed<api::Pod>, mut namespaces: Feed<NamespaceMeta>) {
        loop {
            let trouble = tokio::select! {
                step = pods.next() => match step {
                    Step::Event(event) => {
                        let changed = self.pods.apply(map(event, pod));
                        self.publish(changed);
                        None
                    }
                    Step::State(trouble) => trouble,
                    Step::Refused(error) => {
                        note_refusal(&error);
                        None
                    }
                },
                step = namespaces.next() => match step {
                    Step::Event(event) => {
                        let changed = self.namespaces.apply(map(event, namespace));
                        self.publish(changed);
                        None
                    }
                    Step::State(trouble) => trouble,
                    Step::Refused(error) => {
                        note_refusal(&error);
                        None
                    }
                },
            };
            self.note_state(pods.state(), namespaces.state(), trouble.as_deref());
        }
    }

    fn publish(&self, changed: bool) {
        if !changed || !self.pods.is_synced() || !self.namespaces.is_synced() {
            return;
        }
        // A pod may be heard of before its namespace.
        let unknown = Namespace::default();
        let pods = self.pods.objects().iter().map(|(uid, pod)| {
            let namespace = self.namespaces.objects().get(&pod.key.namespace);
            let namespace = namespace.unwrap_or(&unknown);
            let desired = DesiredPod {
                pod: Arc::clone(pod),
                wanted: wanted(pod, namespace, &self.own),
                is_enforced: namespace.is_enforced(),
            };
            (uid.clone(), desired)
        });
        let desired = Desired {
            synced: true,
            pods: pods.collect(),
        };
        self.desired.send_if_modified(|current| {
            let changed = **current != desired;
            if changed {
                *current = Arc::new(desired);
            }
            changed
        });
    }

    fn note_state(&mut self, pods: FeedState, namespaces: FeedState, trouble: Option<&str>) {
        let state = match (pods, namespaces) {
            (FeedState::Failing, _) | (_, FeedState::Failing) => ApiState::Away,
            (FeedState::Answered, FeedState::Answered) => ApiState::There,
            _ => ApiState::Connecting,
        };
        if *self.api.borrow() == state {
            return;
        }
        self.api.send_replace(state);
        match state {
            ApiState::Away => {
                let error = trouble.unwrap_or("unknown");
                self.outage.begin();
                tracing::warn!(error, "Kubernetes API is away; what is tapped stays tapped");
            }
            ApiState::There => {
                if let Some(seconds) = self.outage.end() {
                    tracing::info!(away_s = seconds, "Kubernetes API is back");
                }
            }
            ApiState::Connecting => {}
        }
    }
}

/// Whoever looks into the network has to learn that it is a right that is
/// missing.
fn note_refusal(error: &str) {
    tracing::warn!(
        error,
        "Kubernetes API answers, and refuses podtap; what is tapped stays tapped"
    );
}

fn map<K, T>(event: Event<K>, mut object: impl FnMut(K) -> Option<T>) -> Event<Option<T>> {
    match event {
        Event::Apply(found) => Event::Apply(object(found)),
        Event::Delete(found) => Event::Delete(object(found)),
        Event::InitApply(found) => Event::InitApply(object(found)),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    }
}

fn pod(pod: api::Pod) -> Option<(PodUid, Arc<Pod>)> {
    match pod_from_api(pod) {
        Ok(pod) => Some((pod.uid.clone(), Arc::new(pod))),
        Err(error) => {
            tracing::warn!(%error, "pod from the API left out");
            None
        }
    }
}

fn namespace(namespace: NamespaceMeta) -> Option<(String, Namespace)> {
    let (name, namespace) = namespace_from_api(namespace.metadata)?;
    // Of the others the pods are refused, and say so.
    if namespace.is_enforced()
        && let Err(refusal) = Settings::of(&Annotations::default(), &namespace.annotations, &name)
    {
        tracing::warn!(namespace = name, %refusal, "an enforced setting that means nothing; the default holds");
    }
    Some((name, namespace))
}
