//! How much all targets carry, and who has to go.

use std::time::Instant;

use super::Tapping;
use crate::{adapter::kube::Desired, engine::rate_limit::Seen, model::bit_rate::BitRate};

impl Tapping {
    /// Looks how much the targets carry, where that is limited: once a second.
    /// Who has to go does with the next [`Tapping::follow`].
    pub fn check_rate(&mut self, desired: &Desired) {
        let Some(limit) = (self.rate_limit.as_mut()).filter(|_| !self.is_paused) else {
            return;
        };
        let targets = self.targets.values().flat_map(|tapped| &tapped.targets);
        let seen = targets.filter_map(|standing| {
            let ledger = standing.target.ledger().ok()?;
            Some((standing.target.id, ledger.total().seen))
        });
        let seen = limit.look(seen.collect(), &desired.pods, &self.actual, Instant::now());
        if let Seen::OnlyEnforced { bits_per_s } = seen {
            let max = self.options.max_rate.map(BitRate::bits_per_s);
            tracing::warn!(
                bits_per_s,
                max_bits_per_s = max,
                "pods of enforced namespaces alone carry more than --max-rate: they stay tapped"
            );
        }
    }
}
