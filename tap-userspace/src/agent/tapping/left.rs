//! Taps that outlive their agent: taken over from the one before, and left to
//! the next one.

use std::{collections::BTreeMap, mem, sync::Arc};

use super::{Standing, Tapping};
use crate::{
    adapter::{
        bpf::{PinKey, TargetPins},
        link::Link,
        netns::Netns,
    },
    agent::datapath::Datapath,
    model::pod::Pod,
};

impl Tapping {
    /// Leaves all targets that can be left to the next agent, and ends the
    /// others. Blocks.
    pub fn leave_all(&mut self, datapath: &Datapath) {
        for tapped in self.targets.values_mut() {
            let targets = mem::take(&mut tapped.targets);
            tapped.targets = (targets.into_iter())
                .filter_map(|standing| {
                    let target = standing.target.leave()?;
                    Some(Standing { target, ..standing })
                })
                .collect();
        }
        let (left, standing): (BTreeMap<_, _>, _) = mem::take(&mut self.targets)
            .into_iter()
            .partition(|(_, tapped)| tapped.targets.is_empty());
        tracing::info!(pods = left.len(), "left to the next agent");
        self.targets = standing;
        self.detach_all(datapath);
        // What nobody has asked for yet: whether it is wanted, the next agent
        // will hear.
        for (_, pins) in mem::take(&mut self.left) {
            pins.keep();
        }
    }

    /// What is pinned of this interface already, or a new place for it; and
    /// which of the two it is.
    pub(super) fn pins(
        &mut self,
        pod: &Pod,
        netns: &Netns,
        link: &Link,
    ) -> (Option<TargetPins>, bool) {
        let key = PinKey {
            uid: pod.uid.clone(),
            netns_inode: netns.inode(),
            ifindex: link.index,
        };
        if let Some(pins) = self.left.remove(&key) {
            return (Some(pins), true);
        }
        let Some(pins) = self.shared.pins() else {
            return (None, false);
        };
        let pins = Arc::clone(pins);
        match pins.add(&key, self.next_id()) {
            Ok(pins) => (Some(pins), false),
            Err(error) => {
                tracing::warn!(%error, pod = %pod.key, "this tap will not outlive the agent");
                (None, false)
            }
        }
    }

    /// Ends what a former agent has left and nobody wants any more.
    pub(super) fn end_left(&mut self, datapath: &Datapath) {
        for (key, pins) in mem::take(&mut self.left) {
            tracing::info!(uid = %key.uid, ifindex = key.ifindex, "a former agent's tap ends");
            datapath.retire(pins.id);
        }
    }
}
