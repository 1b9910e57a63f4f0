//! How fast something is counted.

use std::time::Duration;

use serde::Serialize;
use tap_common::Count;

/// Traffic in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Bits a second.
    pub bits_per_s: u64,
    /// Packets a second; a super-frame is one.
    pub packets_per_s: u64,
}

impl Rate {
    /// Between two readings of a counter, rounded to the nearest. `None` when
    /// no time passed, and when the counter went back: it was reset, or is a
    /// driver's of 32 bits that wrapped, and nothing tells which.
    #[must_use]
    pub fn between(before: Count, after: Count, elapsed: Duration) -> Option<Self> {
        let packets = after.packets.checked_sub(before.packets)?;
        let bytes = after.bytes.checked_sub(before.bytes)?;
        let ns = elapsed.as_nanos();
        let per_s = |count: u64, each: u128| {
            let scaled = u128::from(count) * each * 1_000_000_000 + ns / 2;
            u64::try_from(scaled.checked_div(ns)?).ok()
        };
        Some(Self {
            bits_per_s: per_s(bytes, 8)?,
            packets_per_s: per_s(packets, 1)?,
        })
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bits_per_s: self.bits_per_s.saturating_add(other.bits_per_s),
            packets_per_s: self.packets_per_s.saturating_add(other.packets_per_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Duration, Rate};

    fn rate(before: (u64, u64), after: (u64, u64), ms: u64) -> Option<(u64, u64)> {
        let count = |(packets, bytes)| Count { packets, bytes };
        Rate::between(count(before), count(after), Duration::from_millis(ms))
            .map(|rate| (rate.packets_per_s, rate.bits_per_s))
    }

    #[test]
    fn a_rate_is_what_was_added_by_the_time_it_took() {
        assert_eq!(rate((0, 0), (0, 0), 1000), Some((0, 0)));
        assert_eq!(rate((7, 700), (17, 1_700), 1000), Some((10, 8_000)));
        assert_eq!(rate((7, 700), (17, 1_700), 500), Some((20, 16_000)));
        // A second that was a little longer is no second.
        assert_eq!(rate((0, 0), (1000, 125_000), 1250), Some((800, 800_000)));
        // 100 Gbit/s for an hour, from a counter that is near its end.
        let hour = 45_000_000_000_000;
        let before = u64::MAX - hour;
        assert_eq!(
            rate((0, before), (36, u64::MAX), 3_600_000),
            Some((0, 100_000_000_000))
        );
    }

    #[test]
    fn a_counter_that_went_back_has_no_rate() {
        // Made anew.
        assert_eq!(rate((100, 10_000), (0, 0), 1000), None);
        // 32 bits of bytes, wrapped, while the packets went on.
        let end = u64::from(u32::MAX);
        assert_eq!(rate((100, end), (110, 500), 1000), None);
        assert_eq!(rate((100, 10_000), (110, 20_000), 0), None);
    }
}
