//! The difference between the pods that are to be tapped and the pods that
//! are, as a list of actions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::actual::Actual;
use crate::model::opt_in::{DesiredPod, Wanted};
use crate::model::pod::{Phase, Pod, PodUid};
use crate::model::refusal::Refusal;
use crate::model::settings::Settings;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take down everything that stands for this pod.
    Detach {
        /// The pod.
        uid: PodUid,
        /// What ended it.
        why: DetachReason,
    },
    /// Forget a refusal or a failure that no longer says anything. Nothing
    /// stands for this pod, and nobody needs to be told.
    Forget {
        /// The pod.
        uid: PodUid,
    },
    /// Tap this pod.
    Attach {
        /// The pod.
        pod: Arc<Pod>,
        /// How.
        settings: Settings,
    },
    /// Say why this pod is not tapped.
    Refuse {
        /// The pod.
        pod: Arc<Pod>,
        /// The reason.
        refusal: Refusal,
    },
}

/// Why a tap ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetachReason {
    /// The pod was deleted, or left the node.
    PodGone,
    /// Its containers ended for good.
    PodFinished,
    /// It is no longer opted in.
    OptedOut,
    /// It is opted in, and must not be tapped any more.
    Refused,
    /// It is to be tapped otherwise.
    SettingsChanged,
    /// Others, which come first, need its place.
    TargetLimit,
    /// The targets carry too much.
    RateLimit,
}

impl DetachReason {
    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::PodGone => "the pod is gone",
            Self::PodFinished => "the pod has finished",
            Self::OptedOut => "the pod is no longer opted in",
            Self::Refused => "the pod is refused",
            Self::SettingsChanged => "its settings changed",
            Self::TargetLimit => "its place is needed by another pod (--max-targets)",
            Self::RateLimit => "the tapped pods carry more than they may (--max-rate)",
        }
    }
}

/// What is to be done so that `actual` becomes what `desired` says. What takes
/// down comes before what sets up; the one by UID, the other by
/// [`DesiredPod::rank`].
#[must_use]
pub fn plan(desired: &BTreeMap<PodUid, DesiredPod>, actual: &Actual, now: Instant) -> Vec<Action> {
    let mut actions: Vec<Action> = actual
        .attached
        .iter()
        .filter_map(|(uid, attached)| {
            let why = detach_reason(desired.get(uid), &attached.settings)?;
            Some(Action::Detach {
                uid: uid.clone(),
                why,
            })
        })
        .collect();
    let stale_refusals = actual
        .refused
        .keys()
        .filter(|&uid| !matches!(wanted(desired, uid), Some(Wanted::Refused(_))));
    let stale_failures = actual
        .failed
        .keys()
        .filter(|&uid| !matches!(wanted(desired, uid), Some(Wanted::Tapped(_))));
    actions.extend(
        stale_refusals
            .chain(stale_failures)
            .map(|uid| Action::Forget { uid: uid.clone() }),
    );
    let mut pods: Vec<_> = desired.iter().collect();
    pods.sort_by_key(|(_, pod)| pod.rank());
    actions.extend(
        pods.into_iter()
            .filter_map(|(uid, desired)| set_up(uid, desired, actual, now)),
    );
    actions
}

/// When [`plan`] is to be asked again even if nothing changes: the time of the
/// first retry.
#[must_use]
pub fn next_retry(desired: &BTreeMap<PodUid, DesiredPod>, actual: &Actual) -> Option<Instant> {
    actual
        .failed
        .iter()
        .filter(|(uid, _)| matches!(wanted(desired, uid), Some(Wanted::Tapped(_))))
        .map(|(_, failed)| failed.retry_at)
        .min()
}

fn wanted<'a>(desired: &'a BTreeMap<PodUid, DesiredPod>, uid: &PodUid) -> Option<&'a Wanted> {
    desired.get(uid).map(|desired| &desired.wanted)
}

/// Why a tap that stands is to end; `None` if it is to stay.
fn detach_reason(desired: Option<&DesiredPod>, stands: &Settings) -> Option<DetachReason> {
    let Some(desired) = desired else {
        return Some(DetachReason::PodGone);
    };
    match &desired.wanted {
        Wanted::Tapped(settings) if settings != stands => Some(DetachReason::SettingsChanged),
        Wanted::Tapped(_) => None,
        Wanted::NotTapped if desired.pod.phase == Phase::Finished => {
            Some(DetachReason::PodFinished)
        }
        Wanted::NotTapped => Some(DetachReason::OptedOut),
        Wanted::Refused(Refusal::TargetLimit { .. }) => Some(DetachReason::TargetLimit),
        Wanted::Refused(Refusal::RateLimit { .. }) => Some(DetachReason::RateLimit),
        Wanted::Refused(_) => Some(DetachReason::Refused),
    }
}

fn set_up(uid: &PodUid, desired: &DesiredPod, actual: &Actual, now: Instant) -> Option<Action> {
    let pod = || Arc::clone(&desired.pod);
    match &desired.wanted {
        Wanted::NotTapped => None,
        Wanted::Refused(refusal) => {
            (actual.refused.get(uid) != Some(refusal)).then(|| Action::Refuse {
                pod: pod(),
                refusal: refusal.clone(),
            })
        }
        Wanted::Tapped(settings) => match (actual.attached.get(uid), actual.failed.get(uid)) {
            (Some(attached), _) => attached.settings != *settings,
            (_, Some(failed)) => failed.is_due(now) || failed.pod != desired.pod,
            (None, None) => true,
        }
        .then(|| Action::Attach {
            pod: pod(),
            settings: settings.clone(),
        }),
    }
}
