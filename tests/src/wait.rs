//! Waiting for the event itself, with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for what has to come: far longer than it takes on a
/// busy machine, so that only what never comes fails.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often is looked for what announces itself to nobody.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Looks until `found` returns something; panics with `what` if that does not
/// happen before the deadline.
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "it did not happen: {what}");
        thread::park_timeout(LOOK_INTERVAL);
    }
}

/// Waits for that long: for what is to be done at a pace. (A thread may be
/// woken before, for no reason.)
pub fn pause(duration: Duration) {
    let until = Instant::now() + duration;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}

/// Looks until both sides are the same; panics with both if they never are.
pub fn eventually_equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    mut sides: impl FnMut() -> (T, T),
) {
    let started = Instant::now();
    loop {
        let (left, right) = sides();
        if left == right {
            return;
        }
        assert!(
            started.elapsed() < DEADLINE,
            "never the same: {what}\n  left: {left:?}\n right: {right:?}"
        );
        thread::park_timeout(LOOK_INTERVAL);
    }
}
