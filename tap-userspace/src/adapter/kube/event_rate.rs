//! How many Events one pod may have: a pod whose labels flap must not fill the
//! API server with them.
//!
//! The limits are those of client-go, by which the kubelet keeps to
//! (`defaultSpamBurst`, `defaultSpamQPS` in tools/record/events_cache.go).

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// Events at once.
const BURST: u32 = 25;
/// After these are used up, one more each so often.
const REFILL: Duration = Duration::from_secs(300);
/// Pods to remember. More than a node has at a time.
const PODS: usize = 4096;

/// What each pod has used up.
#[derive(Debug, Default)]
pub(super) struct EventRate {
    /// By pod's UID: when its allowance is whole again.
    whole_at: HashMap<String, Instant>,
}

impl EventRate {
    /// Whether one more Event on this pod is within its limit; counts it then.
    pub(super) fn allows(&mut self, uid: &str, now: Instant) -> bool {
        if self.whole_at.len() >= PODS && !self.whole_at.contains_key(uid) {
            self.forget(now);
        }
        let whole_at = self.whole_at.entry(uid.to_owned()).or_insert(now);
        let after = (*whole_at).max(now) + REFILL;
        let is_allowed = after - now <= REFILL * BURST;
        if is_allowed {
            *whole_at = after;
        }
        is_allowed
    }

    /// Makes room: of pods with a whole allowance there is nothing to
    /// remember; if that is none, all begin anew.
    fn forget(&mut self, now: Instant) {
        self.whole_at.retain(|_, whole_at| *whole_at > now);
        if self.whole_at.len() >= PODS {
            self.whole_at.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_its_burst_and_then_one_each_five_minutes() {
        let (mut rate, start) = (EventRate::default(), Instant::now());
        let allowed = (0..100).filter(|_| rate.allows("a", start)).count();
        assert_eq!(allowed, 25);
        assert!(rate.allows("b", start), "another pod has its own");
        let later = start + Duration::from_secs(299);
        assert!(!rate.allows("a", later));
        let later = start + Duration::from_secs(301);
        assert!(rate.allows("a", later) && !rate.allows("a", later));
        let next_day = start + Duration::from_secs(86_400);
        let allowed = (0..100).filter(|_| rate.allows("a", next_day)).count();
        assert_eq!(allowed, 25, "no more are saved up than a burst");
    }

    #[test]
    fn pods_that_went_are_forgotten() {
        let (mut rate, start) = (EventRate::default(), Instant::now());
        for pod in 0..3 * PODS {
            assert!(rate.allows(&pod.to_string(), start));
            assert!(rate.whole_at.len() <= PODS);
        }
    }
}
