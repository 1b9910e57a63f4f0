//! Numbers that look random and come again with the same seed.

use std::{env, time::SystemTime};

/// splitmix64 (Steele, Lea and Flood, 2014): any seed is as good as another.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// What all of a run follows from: `SEED`, which repeats one, or else the
    /// time.
    #[must_use]
    pub fn seed() -> u64 {
        number("SEED").unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.expect("a time after 1970").as_millis() as u64
        })
    }

    /// The numbers of one case of one run: a case does not depend on those
    /// before it, so it can be repeated alone.
    #[must_use]
    pub fn of_case(seed: u64, case: u64) -> Self {
        let mut of_run = Self(seed);
        Self(of_run.word() ^ case.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// 32 bits.
    pub fn word32(&mut self) -> u32 {
        (self.word() >> 32) as u32
    }

    /// 16 bits.
    pub fn word16(&mut self) -> u16 {
        (self.word() >> 48) as u16
    }

    /// From `from` to `to`, both included.
    pub fn between(&mut self, from: usize, to: usize) -> usize {
        from + (self.word() % (to - from + 1) as u64) as usize
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.word().is_multiple_of(times)
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.between(0, of.len() - 1)]
    }

    /// The interesting values most of the time, any other now and then.
    pub fn pick16(&mut self, of: &[u16]) -> u16 {
        if self.once_in(3) {
            self.word16()
        } else {
            self.pick(of)
        }
    }

    /// So many bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = len.div_ceil(size_of::<u64>());
        let mut bytes: Vec<u8> = (0..words).flat_map(|_| self.word().to_be_bytes()).collect();
        bytes.truncate(len);
        bytes
    }
}

/// A number from the environment.
#[must_use]
pub fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}
