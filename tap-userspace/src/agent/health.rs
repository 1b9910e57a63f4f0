//! Whether the agent does its work: what probes ask for.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long the loop and the datapath may be silent. A loop that attaches to
/// all pods of a full node at once is silent for seconds.
pub const SILENCE: Duration = Duration::from_secs(30);

/// What the agent says of itself as it goes.
#[derive(Debug)]
pub struct Health(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When the agent's loop turned last, or starting went on.
    turned: Instant,
    /// When the datapath said something last, if it runs.
    datapath: Option<Instant>,
    missing: Option<Missing>,
}

/// What has to come before the agent taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The kernel programs are not loaded.
    Kernel,
    /// The tap interface is not there.
    Tap,
    /// The API server has not told the pods of the node.
    Pods,
}

impl Health {
    /// Of an agent that begins to start.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(State {
            turned: now,
            datapath: None,
            missing: Some(Missing::Kernel),
        }))
    }

    /// Starting went on: this comes next.
    pub fn waits_for(&self, missing: Missing, now: Instant) {
        let mut state = self.state();
        state.turned = now;
        state.missing = Some(missing);
    }

    /// All is there, but another agent still has the node's taps: as ready as
    /// it can be.
    pub fn waits_for_another(&self, now: Instant) {
        let mut state = self.state();
        state.turned = now;
        state.missing = None;
    }

    /// The loop has turned; `datapath` is when that one said something last,
    /// `synced` whether the pods are known. Once they were, it stays ready:
    /// taps go on without the API server.
    pub fn turned(&self, now: Instant, datapath: Instant, synced: bool) {
        let mut state = self.state();
        state.turned = now;
        state.datapath = Some(datapath);
        if synced {
            state.missing = None;
        }
    }

    /// Whether the agent does its work.
    ///
    /// # Errors
    /// When a part of it has been silent for longer than [`SILENCE`]: one line
    /// that says which.
    pub fn alive(&self, now: Instant) -> Result<(), String> {
        let state = self.state();
        let parts = [("loop", Some(state.turned)), ("datapath", state.datapath)];
        for (part, last) in parts {
            let silent = last.map(|last| now.saturating_duration_since(last));
            if let Some(silent) = silent.filter(|&silent| silent > SILENCE) {
                let seconds = silent.as_secs();
                return Err(format!(
                    "the agent's {part} has been silent for {seconds} s"
                ));
            }
        }
        Ok(())
    }

    /// Whether the agent taps what is to be tapped.
    ///
    /// # Errors
    /// With what it waits for.
    pub fn ready(&self) -> Result<(), Missing> {
        self.state().missing.map_or(Ok(()), Err)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Missing {
    /// One line for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Kernel => "the kernel programs are not loaded yet",
            Self::Tap => "the tap interface is not there yet",
            Self::Pods => "the API server has not told the pods of this node yet",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_once_the_pods_are_known_and_stays_so() {
        let now = Instant::now();
        let health = Health::new(now);
        assert_eq!(health.ready(), Err(Missing::Kernel));
        health.waits_for(Missing::Pods, now);
        health.turned(now, now, false);
        assert_eq!(health.ready(), Err(Missing::Pods));
        health.turned(now, now, true);
        assert_eq!(health.ready(), Ok(()));
        health.turned(now, now, false);
        assert_eq!(health.ready(), Ok(()));
    }

    #[test]
    fn a_loop_that_hangs_is_not_alive() {
        let start = Instant::now();
        let health = Health::new(start);
        let late = start + SILENCE + Duration::from_secs(1);
        let starting = health.alive(late).err().unwrap_or_default();
        assert!(starting.contains("loop"), "{starting}");
        health.turned(late, late, true);
        assert_eq!(health.alive(late + SILENCE), Ok(()));
        assert!(
            health
                .alive(late + SILENCE + Duration::from_secs(1))
                .is_err()
        );
    }

    #[test]
    fn a_datapath_that_hangs_is_not_alive_though_the_loop_turns() {
        let start = Instant::now();
        let health = Health::new(start);
        let late = start + SILENCE + Duration::from_secs(1);
        health.turned(late, start, true);
        let reason = health.alive(late).err().unwrap_or_default();
        assert!(reason.contains("datapath"), "{reason}");
    }
}
