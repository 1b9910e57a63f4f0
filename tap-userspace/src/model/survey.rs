//! What labelling pods would do, as `podtap plan` says it.

use serde::Serialize;

use super::{
    opt_in::{Namespace, Own, Wanted, wanted},
    pod::Pod,
    rate::Rate,
    refusal::Refusal,
    settings::Settings,
};

/// What is to become of a pod, by what the API server knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is opted in as it is.
    OptedIn(Settings),
    /// It is not, and with a label of its own it would be tapped.
    WouldBeTapped(Settings),
    /// With a label of its own it would be, or is, refused.
    Refused(Refusal),
    /// All of its containers have ended: no label changes anything.
    Finished,
}

/// Decides on a pod as it is and, with `as_if_labelled`, as if it had the label
/// `podtap.dev/tap=true`. `None` for one that nobody asked for.
#[must_use]
pub fn decide(
    pod: &Pod,
    namespace: &Namespace,
    own: &Own,
    as_if_labelled: bool,
) -> Option<Decision> {
    let now = wanted(pod, namespace, own);
    if !as_if_labelled {
        return match now {
            Wanted::Tapped(settings) => Some(Decision::OptedIn(settings)),
            Wanted::Refused(refusal) => Some(Decision::Refused(refusal)),
            Wanted::NotTapped => None,
        };
    }
    let labelled = Pod {
        tap_label: Some("true".into()),
        ..pod.clone()
    };
    Some(match (now, wanted(&labelled, namespace, own)) {
        (Wanted::Tapped(settings), _) => Decision::OptedIn(settings),
        (_, Wanted::Tapped(settings)) => Decision::WouldBeTapped(settings),
        (_, Wanted::Refused(refusal)) => Decision::Refused(refusal),
        (_, Wanted::NotTapped) => Decision::Finished,
    })
}

/// The pods of one node that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// The node.
    pub node: String,
    /// For how long was counted, in milliseconds.
    pub over_ms: u64,
    /// The pods, by namespace and name.
    pub pods: Vec<SurveyedPod>,
    /// What would be tapped of all of them.
    pub total: Total,
}

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SurveyedPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// What is or would become of it.
    pub prospect: Prospect,
    /// Of one that is refused: why, as in the Event, one CamelCase word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it is refused, or why its interfaces are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its interfaces that are or would be tapped.
    pub interfaces: Vec<SurveyedInterface>,
}

/// What is or would become of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prospect {
    /// The agent taps it.
    Tapped,
    /// It is opted in; whether it is tapped, no agent said.
    OptedIn,
    /// With a label it would be tapped.
    WouldBeTapped,
    /// It is or would be refused.
    Refused,
    /// It has finished.
    Finished,
}

/// What an interface carries, from the pod's point of view. `None` where the
/// interface is gone or its counters went back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SurveyedInterface {
    /// Its name in the pod.
    pub interface: String,
    /// What the pod receives.
    pub received: Option<Rate>,
    /// What it sends.
    pub sent: Option<Rate>,
}

/// Sums over the pods that are or would be tapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// How many they are.
    pub pods: usize,
    /// Pods of those whose traffic is not known, not wholly at least.
    pub unknown: usize,
    /// What they receive.
    pub received: Rate,
    /// What they send. What one of them sends to another is in both sums, and
    /// once on the tap.
    pub sent: Rate,
}

impl Prospect {
    /// Whether its packets are, or would be, on the tap.
    #[must_use]
    pub const fn is_on_tap(self) -> bool {
        matches!(self, Self::Tapped | Self::OptedIn | Self::WouldBeTapped)
    }
}

impl Total {
    /// The sums.
    #[must_use]
    pub fn of(pods: &[SurveyedPod]) -> Self {
        let mut total = Self::default();
        for pod in pods.iter().filter(|pod| pod.prospect.is_on_tap()) {
            total.pods += 1;
            let rates = pod.interfaces.iter().map(|one| (one.received, one.sent));
            let is_unknown = |(received, sent): (Option<Rate>, Option<Rate>)| {
                received.is_none() || sent.is_none()
            };
            if pod.interfaces.is_empty() || rates.clone().any(is_unknown) {
                total.unknown += 1;
            }
            for (received, sent) in rates {
                total.received = total.received.plus(received.unwrap_or_default());
                total.sent = total.sent.plus(sent.unwrap_or_default());
            }
        }
        total
    }
}
