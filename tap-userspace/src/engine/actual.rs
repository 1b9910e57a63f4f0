//! What stands: the other side of the plan.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::pod::{Pod, PodUid};
use crate::model::refusal::Refusal;
use crate::model::settings::Settings;

/// What stands, by pod. A pod is in one of the first three at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actual {
    /// Tapped pods.
    pub attached: BTreeMap<PodUid, Attached>,
    /// Pods whose refusal was said.
    pub refused: BTreeMap<PodUid, Refusal>,
    /// Pods that could not be tapped when it was tried.
    pub failed: BTreeMap<PodUid, Failed>,
    /// Pods for whose interfaces there was not room enough when it was tried.
    pub needs: BTreeMap<PodUid, Needs>,
}

/// A pod that is tapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The pod as it was when it was attached.
    pub pod: Arc<Pod>,
    /// How it is tapped.
    pub settings: Settings,
    /// How many of its interfaces are tapped.
    pub interfaces: usize,
}

/// What a pod was seen to need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// With which settings.
    pub settings: Settings,
    /// How many interfaces are to be tapped.
    pub interfaces: usize,
}

impl Actual {
    /// How many targets this pod stands for, which is to be tapped in this
    /// way. One that was never looked into counts as one.
    #[must_use]
    pub fn interfaces(&self, uid: &PodUid, settings: &Settings) -> usize {
        let needs = self.needs.get(uid);
        let needs = needs.filter(|needs| needs.settings == *settings);
        let attached = self.attached.get(uid).map(|attached| attached.interfaces);
        attached
            .or(needs.map(|needs| needs.interfaces))
            .map_or(1, |interfaces| interfaces.max(1))
    }

    /// How many targets this pod was last seen to need, or one.
    #[must_use]
    pub fn needed(&self, uid: &PodUid) -> usize {
        self.needs.get(uid).map_or(1, |needs| needs.interfaces)
    }

    /// Notes what this pod needs, if it is tapped: it is about to be detached,
    /// and may be tapped again.
    pub fn note_needs(&mut self, uid: &PodUid) {
        if let Some(attached) = self.attached.get(uid) {
            let needs = Needs {
                settings: attached.settings.clone(),
                interfaces: attached.interfaces,
            };
            self.needs.insert(uid.clone(), needs);
        }
    }

    /// Forgets what pods need that are gone.
    pub fn keep_needs_of(&mut self, is_there: impl Fn(&PodUid) -> bool) {
        self.needs.retain(|uid, _| is_there(uid));
    }
}

/// A pod that could not be tapped when it was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The pod as it was then. As soon as it is another, it is tried again.
    pub pod: Arc<Pod>,
    /// How often it was tried, this one included.
    pub tries: u32,
    /// When to try again.
    pub retry_at: Instant,
}

impl Failed {
    /// Tries in the first three seconds, about.
    pub const TRIES_SOON: u32 = 17;

    /// Notes one more failure, after `before` if there was one, and when to
    /// try again: 50 ms after the first, then each 200 ms, since a pod that is
    /// just starting is not to be without its tap for long; after five seconds
    /// less and less often, down to each 10 s.
    #[must_use]
    pub fn again(before: Option<&Self>, pod: Arc<Pod>, now: Instant) -> Self {
        let tries = before.map_or(0, |failed| failed.tries).saturating_add(1);
        Self {
            pod,
            tries,
            retry_at: now + retry_delay(tries),
        }
    }

    /// Whether it is time to try again: a little early, so that pods that start
    /// together are looked for together.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.retry_at <= now + retry_delay(self.tries) / 4
    }
}

fn retry_delay(tries: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(50);
    const SOON: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(10);
    /// The last one that comes soon.
    const LAST_SOON: u32 = 26;
    let (delay, longest, doublings) = match tries {
        ..=LAST_SOON => (FIRST, SOON, tries.saturating_sub(1)),
        _ => (SOON, LONGEST, tries - LAST_SOON),
    };
    delay.saturating_mul(1 << doublings.min(16)).min(longest)
}
