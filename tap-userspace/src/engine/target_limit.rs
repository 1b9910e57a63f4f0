//! For which pods a node has room: it has so many targets at most.

use std::collections::BTreeMap;

use super::actual::Actual;
use crate::model::opt_in::{DesiredPod, Wanted};
use crate::model::pod::PodUid;
use crate::model::refusal::Refusal;

/// What is desired, with those pods refused that there is no room for. Room is
/// given by [`DesiredPod::rank`]: to enforced pods, then to the oldest; where
/// one does not fit, a smaller one after it may.
///
/// A pod that is tapped counts as its interfaces. One that is not counts as
/// what it was seen to need, or as one; and keeps its place while it cannot be
/// tapped yet. Who finds that a pod needs more than there is room for does not
/// attach it, notes it in [`Actual::needs`], and plans again.
#[must_use]
pub fn within(
    mut desired: BTreeMap<PodUid, DesiredPod>,
    actual: &Actual,
    max_targets: usize,
) -> BTreeMap<PodUid, DesiredPod> {
    let mut pods: Vec<&mut DesiredPod> = desired.values_mut().collect();
    pods.sort_by(|one, other| one.rank().cmp(&other.rank()));
    let mut room = max_targets;
    for pod in pods {
        let settings = match &pod.wanted {
            Wanted::Tapped(settings) => settings,
            // It comes back: another in its place would be the next that has
            // to go.
            Wanted::Refused(Refusal::RateLimit { .. }) => {
                room = room.saturating_sub(actual.needed(&pod.pod.uid));
                continue;
            }
            Wanted::NotTapped | Wanted::Refused(_) => continue,
        };
        let interfaces = actual.interfaces(&pod.pod.uid, settings);
        match room.checked_sub(interfaces) {
            Some(rest) => room = rest,
            None => {
                pod.wanted = Wanted::Refused(Refusal::TargetLimit {
                    max_targets,
                    interfaces,
                });
            }
        }
    }
    desired
}
