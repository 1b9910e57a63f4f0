//! Kubernetes Events on pods, for their owners. Best effort: whatever becomes
//! of them, nobody waits.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::error_text::one_line;
use super::event_rate::EventRate;
use crate::model::pod::Pod;
use crate::model::refusal::Refusal;

/// Events that may wait. More than a node has pods, so that all of them can
/// be tapped at once.
const QUEUE: usize = 1024;
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest note in bytes (`NoteLengthLimit` in the API server's
/// pkg/apis/core/validation/events.go is 1,024, and is allowed).
const NOTE_BYTES: usize = 1023;
/// Longest part of a pod's name in an Event's, in bytes: with the dot and the
/// time it stays below the 253 of a name.
const NAME_BYTES: usize = 220;
/// Who says it.
const CONTROLLER: &str = "podtap.dev/agent";

/// Where Events are handed in.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<Event>,
    counters: Arc<Counters>,
    instance: Arc<str>,
}

/// What became of the Events that were handed in. The rest is in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Taken by the API server.
    pub sent: u64,
    /// Refused by the API server, or it was away.
    pub failed: u64,
    /// Left out because the queue was full, or its reader gone.
    pub dropped: u64,
    /// Left out because their pod had too many.
    pub limited: u64,
}

/// A queue for Events and the future that sends them on. It ends, with the
/// queue empty, when all clones of [`Events`] are gone. `instance` names this
/// agent: its pod or node.
#[must_use = "the future does the work"]
pub fn record_events(
    client: &Client,
    instance: &str,
) -> (Events, impl Future<Output = ()> + Send + use<>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let counters = Arc::new(Counters::default());
    let events = Events {
        queue: sender,
        counters: Arc::clone(&counters),
        // ReportingInstanceLengthLimit in the same file is 128.
        instance: cut(instance, 128).into(),
    };
    (events, send(client.clone(), receiver, counters))
}

impl Events {
    /// The pod is tapped.
    pub fn tapped(&self, pod: &Pod, note: &str) {
        self.push(pod, "Normal", "Tapped", note);
    }

    /// The pod is no longer tapped.
    pub fn untapped(&self, pod: &Pod, note: &str) {
        self.push(pod, "Normal", "Untapped", note);
    }

    /// The pod is not tapped although someone asked for it.
    pub fn refused(&self, pod: &Pod, refusal: &Refusal) {
        let note = format!("{}: {refusal}", refusal.reason());
        self.push(pod, "Warning", "Refused", &note);
    }

    /// Nobody listens on the tap of this agent's pod.
    pub fn unread(&self, agent: &Pod, note: &str) {
        self.push(agent, "Warning", "TapUnread", note);
    }

    /// Somebody does again.
    pub fn read_again(&self, agent: &Pod, note: &str) {
        self.push(agent, "Normal", "TapRead", note);
    }

    /// The pod's tap does not see what the pod's interface carries.
    pub fn blind(&self, pod: &Pod, note: &str) {
        self.push(pod, "Warning", "TapBlind", note);
    }

    /// It does again.
    pub fn sees(&self, pod: &Pod, note: &str) {
        self.push(pod, "Normal", "TapSees", note);
    }

    /// What became of them so far.
    #[must_use]
    pub fn counts(&self) -> EventCounts {
        EventCounts {
            sent: self.counters.sent.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
            dropped: self.counters.dropped.load(Ordering::Relaxed),
            limited: self.counters.limited.load(Ordering::Relaxed),
        }
    }

    /// How many wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    fn push(&self, pod: &Pod, kind: &str, reason: &str, note: &str) {
        let event = event(pod, kind, reason, note, &self.instance);
        if self.queue.try_send(event).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    limited: AtomicU64,
}

async fn send(client: Client, mut queue: mpsc::Receiver<Event>, counters: Arc<Counters>) {
    let mut failing = false;
    let mut rate = EventRate::default();
    while let Some(event) = queue.recv().await {
        let pod = event.regarding.as_ref().and_then(|pod| pod.uid.as_deref());
        if !rate.allows(pod.unwrap_or_default(), Instant::now()) {
            counters.limited.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let namespace = event.metadata.namespace.as_deref().unwrap_or("default");
        let events: Api<Event> = Api::namespaced(client.clone(), namespace);
        let params = PostParams::default();
        let request = events.create(&params, &event);
        let error = match tokio::time::timeout(TIMEOUT, request).await {
            Ok(Ok(_)) => {
                counters.sent.fetch_add(1, Ordering::Relaxed);
                failing = false;
                continue;
            }
            Ok(Err(error)) => one_line(&error),
            Err(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
        };
        counters.failed.fetch_add(1, Ordering::Relaxed);
        if !failing {
            tracing::warn!(error, namespace, "Kubernetes Events cannot be sent");
        }
        failing = true;
    }
}

/// kube's `Recorder` is not used: of a second Event with the same reason it
/// sends the first one's note, and with a pod's name of more than 236 bytes it
/// makes names that are refused.
fn event(pod: &Pod, kind: &str, reason: &str, note: &str, instance: &str) -> Event {
    let now = Timestamp::now();
    let name = cut(&pod.key.name, NAME_BYTES).trim_end_matches(['-', '.']);
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}", now.as_nanosecond())),
            namespace: Some(pod.key.namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        action: Some("Tap".to_owned()),
        reason: Some(reason.to_owned()),
        note: Some(cut(note, NOTE_BYTES).to_owned()),
        type_: Some(kind.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(pod.key.namespace.clone()),
            name: Some(pod.key.name.clone()),
            // By a mirror pod's hash kubectl looks for its Events, as the
            // kubelet's own have it (PodDescriber.Describe in
            // k8s.io/kubectl/pkg/describe).
            uid: Some(pod.cgroup_uid().to_string()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

/// The longest beginning of `text` that has at most `bytes` bytes.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}
