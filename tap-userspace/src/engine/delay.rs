//! How long packets take from the kernel program to the sinks: a histogram.
//!
//! Each power of two is divided into four, so a quantile is at most a quarter
//! above the truth. Fixed size, no allocation.

/// Steps that each power of two is divided into, as a power of two itself.
const STEP_BITS: u32 = 2;
const STEPS: usize = 1 << STEP_BITS;
const BUCKETS: usize = 64 * STEPS;

/// Delays in nanoseconds, counted.
#[derive(Clone, Debug)]
pub struct Delays {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    sum_ns: u64,
    max_ns: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
            count: 0,
            sum_ns: 0,
            max_ns: 0,
        }
    }
}

impl Delays {
    /// Counts one.
    pub fn record(&mut self, delay_ns: u64) {
        if let Some(bucket) = self.buckets.get_mut(index(delay_ns)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_ns = self.sum_ns.wrapping_add(delay_ns);
        self.max_ns = self.max_ns.max(delay_ns);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together, in nanoseconds.
    #[must_use]
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// How many there are in each power of two: the largest delay that falls
    /// into it, in nanoseconds, and its count; from the shortest on.
    pub fn octaves(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let octaves = self.buckets.chunks(STEPS).enumerate();
        octaves.map(|(octave, steps)| {
            let last = octave * STEPS + STEPS - 1;
            (upper_bound(last), steps.iter().sum())
        })
    }

    /// The largest, in nanoseconds; 0 if there is none.
    #[must_use]
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// A delay in nanoseconds that this many in a thousand do not exceed, and
    /// at most a quarter more than the smallest such; 0 if there is none.
    #[must_use]
    pub fn quantile_ns(&self, per_mille: u64) -> u64 {
        let rank = (self.count.saturating_mul(per_mille)).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= rank {
                return upper_bound(index).min(self.max_ns);
            }
        }
        self.max_ns
    }
}

/// The bucket of a delay: its highest bit, and the bits below that.
fn index(delay_ns: u64) -> usize {
    let small = 1 << STEP_BITS;
    if delay_ns < small {
        return usize::try_from(delay_ns).unwrap_or(0);
    }
    let exponent = delay_ns.ilog2();
    let step = (delay_ns >> (exponent - STEP_BITS)) & (small - 1);
    let index = u64::from(exponent - STEP_BITS + 1) * small + step;
    usize::try_from(index).unwrap_or(BUCKETS)
}

/// The largest delay that falls into a bucket.
fn upper_bound(index: usize) -> u64 {
    if index < STEPS {
        return u64::try_from(index).unwrap_or(0);
    }
    let (octave, step) = (index / STEPS - 1, index % STEPS + STEPS);
    let next = u128::try_from(step + 1).unwrap_or(0) << octave;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_recorded_is_zero() {
        let delays = Delays::default();
        assert_eq!((delays.quantile_ns(500), delays.max_ns()), (0, 0));
    }

    #[test]
    fn a_rare_slow_one_shows_in_the_maximum_only() {
        let mut delays = Delays::default();
        for _ in 0..999 {
            delays.record(1_000);
        }
        delays.record(5_000_000);
        assert!((1_000..=1_250).contains(&delays.quantile_ns(500)));
        assert!((1_000..=1_250).contains(&delays.quantile_ns(990)));
        assert_eq!(delays.max_ns(), 5_000_000);
        assert_eq!(delays.quantile_ns(1000), 5_000_000);
    }

    #[test]
    fn an_octave_ends_right_before_a_power_of_two() {
        let mut delays = Delays::default();
        for delay_ns in [0, 3, 4, 7, 8, 1 << 20, (1 << 21) - 1, 1 << 21, u64::MAX] {
            delays.record(delay_ns);
        }
        let filled: Vec<_> = delays.octaves().filter(|&(_, count)| count > 0).collect();
        let expected = [
            (3, 2),
            (7, 2),
            (15, 1),
            ((1 << 21) - 1, 2),
            ((1 << 22) - 1, 1),
            (u64::MAX, 1),
        ];
        assert_eq!(filled, expected);
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_delay_within_a_quarter(delay_ns: u64) {
            let bound = upper_bound(index(delay_ns));
            prop_assert!(bound >= delay_ns);
            prop_assert!(u128::from(bound) <= u128::from(delay_ns) * 5 / 4 + 1);
        }

        #[test]
        fn larger_delays_are_never_in_lower_buckets(low: u64, high: u64) {
            let (low, high) = (low.min(high), low.max(high));
            prop_assert!(index(low) <= index(high));
            prop_assert!(index(high) < BUCKETS);
        }
    }
}
