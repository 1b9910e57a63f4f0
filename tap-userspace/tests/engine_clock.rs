//! Time since the epoch follows the real clock and is not led by its samples.

use proptest::collection::vec;
use proptest::prelude::*;
use tap_userspace::engine::clock::{Clock, SAMPLE_WINDOW_MAX_NS};

const EPOCH_NS: u64 = 1_700_000_000_000_000_000;

proptest! {
    #[test]
    fn within_an_interval_time_never_runs_backwards(
        monotonic_ns in any::<u32>(), earlier in any::<u32>(), later in any::<u32>(),
    ) {
        let clock = Clock::new(u64::from(monotonic_ns), EPOCH_NS);
        let (earlier, later) = (earlier.min(later), earlier.max(later));
        let (from, to) = (u64::from(earlier), u64::from(later));
        prop_assert_eq!(clock.realtime_ns(to) - clock.realtime_ns(from), to - from);
    }

    /// A steady real clock, read with any noise that the window allows: what
    /// is converted is never further off than the narrowest window so far, and
    /// never moves once it is right.
    #[test]
    fn the_error_is_at_most_the_narrowest_window(
        samples in vec((0..=SAMPLE_WINDOW_MAX_NS, 0..=SAMPLE_WINDOW_MAX_NS), 1..50),
        first_error_ns in 0..1_000_000_u64,
    ) {
        let truth = |monotonic_ns: u64| EPOCH_NS + monotonic_ns;
        let mut clock = Clock::new(1_000, truth(1_000) + first_error_ns);
        let mut narrowest = u64::MAX;
        let mut error_before = first_error_ns;
        for (index, (window, within)) in samples.into_iter().enumerate() {
            let before = 1_000_000_000 * (u64::try_from(index).unwrap_or(0) + 1);
            let read_at = before + within.min(window);
            prop_assert!(clock.resample(before, truth(read_at), before + window));
            narrowest = narrowest.min(window);
            let error = clock.realtime_ns(before).abs_diff(truth(before));
            prop_assert!(error <= narrowest, "{} ns off, window {}", error, narrowest);
            prop_assert!(error <= error_before, "a sample made it worse");
            error_before = error;
        }
    }

    /// The real clock is set back and forth by any steps; between packets on
    /// both sides of a sample, time runs backwards by no more than the step
    /// back and one window.
    #[test]
    fn across_a_sample_time_runs_backwards_by_no_more_than_the_step(
        steps in vec((-5_000_000_i64..5_000_000, 0..=SAMPLE_WINDOW_MAX_NS), 1..30),
    ) {
        let mut clock = Clock::new(0, EPOCH_NS);
        prop_assert!(clock.resample(0, EPOCH_NS, 0));
        let mut stepped: i64 = 0;
        for (index, (step, window)) in steps.into_iter().enumerate() {
            let now = 1_000_000_000 * (u64::try_from(index).unwrap_or(0) + 1);
            let earlier = clock.realtime_ns(now);
            stepped += step;
            let realtime = (EPOCH_NS + now).saturating_add_signed(stepped);
            prop_assert!(clock.resample(now, realtime, now + window));
            let later = clock.realtime_ns(now);
            let back = earlier.saturating_sub(later);
            let allowed = step.min(0).unsigned_abs() + SAMPLE_WINDOW_MAX_NS;
            prop_assert!(back <= allowed, "{} ns back for a step of {}", back, step);
            prop_assert!(later.abs_diff(realtime) <= window);
        }
    }
}
