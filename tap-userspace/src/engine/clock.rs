//! Converts the kernel's `CLOCK_MONOTONIC` into time since the Unix epoch.

/// A sample whose two monotonic readings lie further apart than this says too
/// little: its thread was interrupted between them. Nanoseconds.
pub const SAMPLE_WINDOW_MAX_NS: u64 = 100_000;

/// What is to be added to `CLOCK_MONOTONIC` to get `CLOCK_REALTIME`.
///
/// A sample bounds that offset: the real clock was read between two readings
/// of the monotonic one, so the truth lies within the window. The clock moves
/// into the window by the shortest way. So noise of the samples never moves
/// it, and the real clock's steps and slow corrections do, to within one
/// window.
///
/// Between two samples the offset is constant: of two packets, the later one
/// never gets the earlier time. Across a sample, time can run backwards by at
/// most what the real clock was set back since the last one, and one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Nanoseconds; below 0 where the real clock is behind the time since
    /// boot.
    offset_ns: i128,
}

impl Clock {
    /// From two readings made one right after the other, in nanoseconds.
    /// Resample at once: only then the error is bounded.
    #[must_use]
    pub fn new(monotonic_ns: u64, realtime_ns: u64) -> Self {
        Self {
            offset_ns: difference(realtime_ns, monotonic_ns),
        }
    }

    /// Takes one sample: `CLOCK_MONOTONIC` read before and after
    /// `CLOCK_REALTIME`, all in nanoseconds. Returns whether it was used: a
    /// window wider than [`SAMPLE_WINDOW_MAX_NS`], or one that ends before it
    /// begins, is not.
    pub fn resample(
        &mut self,
        monotonic_before_ns: u64,
        realtime_ns: u64,
        monotonic_after_ns: u64,
    ) -> bool {
        match monotonic_after_ns.checked_sub(monotonic_before_ns) {
            Some(..=SAMPLE_WINDOW_MAX_NS) => {
                self.offset_ns = self.offset_ns.clamp(
                    difference(realtime_ns, monotonic_after_ns),
                    difference(realtime_ns, monotonic_before_ns),
                );
                true
            }
            _ => false,
        }
    }

    /// Nanoseconds since the Unix epoch at this reading of `CLOCK_MONOTONIC`.
    /// What no `u64` can hold becomes the nearest that it can.
    #[must_use]
    pub fn realtime_ns(&self, monotonic_ns: u64) -> u64 {
        let realtime_ns = i128::from(monotonic_ns) + self.offset_ns;
        u64::try_from(realtime_ns.max(0)).unwrap_or(u64::MAX)
    }
}

fn difference(left: u64, right: u64) -> i128 {
    i128::from(left) - i128::from(right)
}

#[cfg(test)]
mod tests {
    use super::{Clock, SAMPLE_WINDOW_MAX_NS};

    const EPOCH_NS: u64 = 1_700_000_000_000_000_000;

    #[test]
    fn monotonic_time_becomes_time_since_the_epoch() {
        let clock = Clock::new(5_000, EPOCH_NS);
        assert_eq!(clock.realtime_ns(5_000), EPOCH_NS);
        assert_eq!(clock.realtime_ns(6_234), EPOCH_NS + 1_234);
        assert_eq!(clock.realtime_ns(4_000), EPOCH_NS - 1_000);
    }

    #[test]
    fn a_sample_that_agrees_within_its_window_changes_nothing() {
        let mut clock = Clock::new(5_000, EPOCH_NS);
        let before = clock;
        assert!(clock.resample(1_004_500, EPOCH_NS + 1_000_000, 1_005_500));
        assert_eq!(clock, before);
    }

    #[test]
    fn a_step_of_the_real_clock_is_followed_to_within_the_window() {
        let mut clock = Clock::new(5_000, EPOCH_NS);
        let stepped = EPOCH_NS + 1_000_000 - 500_000_000;
        assert!(clock.resample(1_004_990, stepped, 1_005_010));
        let now = clock.realtime_ns(1_005_000);
        assert!(now.abs_diff(stepped) <= 20, "{now} is not {stepped}");
    }

    #[test]
    fn a_wide_or_reversed_window_is_ignored() {
        let mut clock = Clock::new(5_000, EPOCH_NS);
        let before = clock;
        assert!(!clock.resample(10, 0, 10 + SAMPLE_WINDOW_MAX_NS + 1));
        assert!(!clock.resample(10, 0, 9));
        assert_eq!(clock, before);
        assert!(clock.resample(10, 0, 10 + SAMPLE_WINDOW_MAX_NS));
    }

    #[test]
    fn what_no_clock_can_show_is_the_nearest_that_it_can() {
        assert_eq!(Clock::new(1_000, 0).realtime_ns(500), 0);
        assert_eq!(Clock::new(0, u64::MAX).realtime_ns(1), u64::MAX);
    }
}
