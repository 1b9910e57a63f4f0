//! How much traffic there may be.

use std::{fmt, num::NonZeroU64, str::FromStr};

use super::scaled::scaled;

/// Bits a second; never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(NonZeroU64);

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bits a second are wanted, more than none: 500M, 10G, 2500000000")]
pub struct BitRateError;

impl BitRate {
    /// As a number.
    #[must_use]
    pub const fn bits_per_s(self) -> u64 {
        self.0.get()
    }
}

impl FromStr for BitRate {
    type Err = BitRateError;

    /// A whole number; k, M, G or T may follow, powers of 1000, and `bit/s`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_suffix("bit/s").unwrap_or(text).trim_end();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit: u64 = match text.get(digits.len()..) {
            Some("") => 1,
            Some("k") => 1_000,
            Some("M") => 1_000_000,
            Some("G") => 1_000_000_000,
            Some("T") => 1_000_000_000_000,
            _ => return Err(BitRateError),
        };
        let number: u64 = digits.trim_end().parse().map_err(|_| BitRateError)?;
        let bits_per_s = number.checked_mul(unit).and_then(NonZeroU64::new);
        bits_per_s.map(Self).ok_or(BitRateError)
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}bit/s", scaled(self.0.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::BitRate;

    #[test]
    fn a_rate_is_read_with_or_without_its_units() {
        for (text, bits_per_s) in [
            ("1", 1),
            ("64k", 64_000),
            ("500M", 500_000_000),
            ("10G", 10_000_000_000),
            ("10 Gbit/s", 10_000_000_000),
            ("2T", 2_000_000_000_000),
        ] {
            let rate: Result<BitRate, _> = text.parse();
            assert_eq!(rate.map(BitRate::bits_per_s), Ok(bits_per_s), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "G",
            "0",
            "0M",
            "-1",
            "1.5G",
            "10g",
            "10 GB",
            "99999999T",
            "1 0",
        ] {
            assert!(text.parse::<BitRate>().is_err(), "{text}");
        }
    }
}
