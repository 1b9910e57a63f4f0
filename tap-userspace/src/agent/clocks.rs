//! Reads the machine's clocks for [`Clock`], which may not.

use rustix::time::{ClockId, clock_gettime};

use crate::engine::clock::Clock;

/// A clock that knows how real time stands to monotonic time now.
pub(super) fn start() -> Clock {
    let mut clock = Clock::new(read_ns(ClockId::Monotonic), read_ns(ClockId::Realtime));
    resample(&mut clock);
    clock
}

/// Tells the clock how they stand now.
pub(super) fn resample(clock: &mut Clock) {
    let before_ns = read_ns(ClockId::Monotonic);
    let realtime_ns = read_ns(ClockId::Realtime);
    let after_ns = read_ns(ClockId::Monotonic);
    clock.resample(before_ns, realtime_ns, after_ns);
}

/// Nanoseconds since the Unix epoch, now.
pub(crate) fn realtime_ns() -> u64 {
    read_ns(ClockId::Realtime)
}

/// `CLOCK_MONOTONIC`, the clock of records, now.
pub(super) fn monotonic_ns() -> u64 {
    read_ns(ClockId::Monotonic)
}

fn read_ns(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + nanoseconds
}
