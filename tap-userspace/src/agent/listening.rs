//! Whether anybody listens on the tap: a sensor that went deaf sees nothing and
//! says nothing.

use std::time::{Duration, Instant};

/// What was last known.
#[derive(Debug)]
pub(super) struct Listening {
    patience: Duration,
    silent_since: Option<Instant>,
    is_told: bool,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nobody has listened for longer than a sensor needs to restart.
    Unread,
    /// Somebody listens again.
    ReadAgain,
}

impl Listening {
    /// For so long nobody may listen before it is told: it should be longer
    /// than a sensor takes to restart and read its rules.
    pub(super) const fn new(patience: Duration) -> Self {
        Self {
            patience,
            silent_since: None,
            is_told: false,
        }
    }

    /// Whether it was told that nobody listens, and still nobody does.
    pub(super) const fn is_unread(&self) -> bool {
        self.is_told
    }

    /// So many listen now.
    pub(super) fn look(&mut self, readers: usize, now: Instant) -> Option<Change> {
        if readers > 0 {
            self.silent_since = None;
            return std::mem::take(&mut self.is_told).then_some(Change::ReadAgain);
        }
        let since = *self.silent_since.get_or_insert(now);
        let tell = !self.is_told && now - since >= self.patience;
        self.is_told |= tell;
        tell.then_some(Change::Unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_sensor_that_restarts_is_no_news() {
        let (mut listening, start) = (Listening::new(PATIENCE), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(listening.look(2, start), None);
        assert_eq!(listening.look(0, at(1)), None);
        assert_eq!(listening.look(0, at(60)), None);
        assert_eq!(listening.look(1, at(61)), None);
        // The time counts anew.
        assert_eq!(listening.look(0, at(62)), None);
        assert_eq!(listening.look(0, at(121)), None);
    }

    #[test]
    fn one_that_is_gone_is_told_once_and_its_return_too() {
        let (mut listening, start) = (Listening::new(PATIENCE), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(listening.look(0, start), None);
        assert!(!listening.is_unread());
        assert_eq!(listening.look(0, at(60)), Some(Change::Unread));
        assert_eq!(listening.look(0, at(600)), None);
        assert!(listening.is_unread());
        assert_eq!(listening.look(1, at(601)), Some(Change::ReadAgain));
        assert!(!listening.is_unread());
        assert_eq!(listening.look(1, at(602)), None);
    }
}
