//! Which pods have to go while all targets together carry too much.

use std::collections::BTreeMap;
use std::time::Instant;

use tap_common::Count;

use super::actual::Actual;
use crate::model::TargetId;
use crate::model::bit_rate::BitRate;
use crate::model::opt_in::{DesiredPod, Wanted};
use crate::model::pod::PodUid;
use crate::model::rate::Rate;
use crate::model::refusal::{RATE_HOLD, Refusal};
use crate::model::settings::Settings;

/// How many looks in a row have to see too much before a pod has to go. A look
/// is a second: shorter bursts are what the ring is for.
pub const LOOKS: u32 = 3;

/// What was seen so far, and who had to go.
#[derive(Clone, Debug)]
pub struct RateLimit {
    max: BitRate,
    /// What each target had seen at the last look.
    last: Option<(Instant, BTreeMap<TargetId, Count>)>,
    looks_over: u32,
    held: BTreeMap<PodUid, Held>,
    is_told: bool,
}

/// A pod that had to go, as it was then.
#[derive(Clone, Debug)]
struct Held {
    tap_label: Option<String>,
    settings: Settings,
    refusal: Refusal,
    until: Instant,
}

/// What a look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is to go on.
    Fits,
    /// A pod has to go: [`RateLimit::within`] refuses it.
    Held,
    /// It is too much, and there are only enforced pods, which stay. Said
    /// once, until it fits again.
    OnlyEnforced {
        /// What was seen, in bits a second.
        bits_per_s: u64,
    },
}

impl RateLimit {
    /// All targets together shall carry `max` at most.
    #[must_use]
    pub const fn new(max: BitRate) -> Self {
        Self {
            max,
            last: None,
            looks_over: 0,
            held: BTreeMap::new(),
            is_told: false,
        }
    }

    /// So much has each target seen by now. After [`LOOKS`] in a row that were
    /// above the limit, each one that is holds the newest pod that is tapped
    /// and not enforced.
    pub fn look(
        &mut self,
        seen: BTreeMap<TargetId, Count>,
        desired: &BTreeMap<PodUid, DesiredPod>,
        actual: &Actual,
        now: Instant,
    ) -> Seen {
        let Some(bits_per_s) = self.rate(seen, now) else {
            return Seen::Fits;
        };
        if bits_per_s <= self.max.bits_per_s() {
            self.looks_over = 0;
            self.is_told = false;
            return Seen::Fits;
        }
        self.looks_over = self.looks_over.saturating_add(1);
        if self.looks_over < LOOKS {
            return Seen::Fits;
        }
        let newest = (actual.attached.iter())
            .filter_map(|(uid, attached)| Some((desired.get(uid)?, attached)))
            .filter(|(pod, _)| !pod.is_enforced)
            .max_by(|(one, _), (other, _)| one.rank().cmp(&other.rank()));
        let Some((pod, attached)) = newest else {
            return match std::mem::replace(&mut self.is_told, true) {
                true => Seen::Fits,
                false => Seen::OnlyEnforced { bits_per_s },
            };
        };
        let held = Held {
            tap_label: pod.pod.tap_label.clone(),
            settings: attached.settings.clone(),
            refusal: Refusal::RateLimit {
                max: self.max,
                seen_bits_per_s: bits_per_s,
            },
            until: now + RATE_HOLD,
        };
        self.held.insert(pod.pod.uid.clone(), held);
        Seen::Held
    }

    /// Nothing of this is copied for now: what passes does not count.
    pub fn rest(&mut self) {
        self.last = None;
        self.looks_over = 0;
    }

    /// What is desired, with those pods refused that had to go. One comes back
    /// after [`RATE_HOLD`], or when its settings or its label are others, or
    /// its namespace enforces it.
    #[must_use]
    pub fn within(
        &mut self,
        mut desired: BTreeMap<PodUid, DesiredPod>,
        now: Instant,
    ) -> BTreeMap<PodUid, DesiredPod> {
        let mut looks_over = self.looks_over;
        self.held.retain(|uid, held| {
            let Some(pod) = desired.get_mut(uid) else {
                return false;
            };
            let is_as_before = pod.pod.tap_label == held.tap_label
                && !pod.is_enforced
                && matches!(&pod.wanted, Wanted::Tapped(settings) if *settings == held.settings);
            let stays = is_as_before && now < held.until;
            if stays {
                pod.wanted = Wanted::Refused(held.refusal.clone());
            } else {
                // What was before it came back says nothing about it.
                looks_over = 0;
            }
            stays
        });
        self.looks_over = looks_over;
        desired
    }

    /// Of the targets that were there at the last look already; `None` at the
    /// first.
    fn rate(&mut self, seen: BTreeMap<TargetId, Count>, now: Instant) -> Option<u64> {
        let (then, before) = self.last.replace((now, seen))?;
        let (_, seen) = self.last.as_ref()?;
        let elapsed = now.saturating_duration_since(then);
        let rates = seen
            .iter()
            .filter_map(|(id, after)| Rate::between(*before.get(id)?, *after, elapsed));
        Some(rates.fold(Rate::default(), Rate::plus).bits_per_s)
    }
}
