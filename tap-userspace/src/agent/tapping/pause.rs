//! Targets that only count while nobody listens on the tap.

use super::Tapping;

impl Tapping {
    /// Lets all targets pause, or go on; those that come meanwhile too. Where
    /// the kernel refused it is tried again with the next call.
    pub fn pause(&mut self, paused: bool) {
        self.is_paused = paused;
        let targets = self.targets.values_mut();
        for standing in targets.flat_map(|tapped| &mut tapped.targets) {
            let target = &mut standing.target;
            if let Err(error) = target.enable(!paused) {
                let interface = &target.link.name;
                tracing::error!(interface, paused, %error, "cannot switch a target");
            }
        }
        if paused && let Some(limit) = &mut self.rate_limit {
            limit.rest();
        }
    }

    /// Whether they do.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.is_paused
    }
}
