//! Which Linux this is.

use std::fmt;

/// A kernel's version, as far as features go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelRelease {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
}

impl KernelRelease {
    /// The oldest that podtap runs on.
    pub const OLDEST: Self = Self::new(5, 10);
    /// From here on memory of maps is the cgroup's, not the process's own
    /// locked memory (the series that ends in `bpf: Eliminate rlimit-based
    /// memory accounting infra for bpf maps`).
    pub const MAPS_IN_CGROUP: Self = Self::new(5, 11);
    /// The first with the kernel functions that tell all of an skb.
    pub const KFUNCS: Self = Self::new(6, 2);
    /// The first with TCX.
    pub const TCX: Self = Self::new(6, 6);

    /// Linux `major`.`minor`.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Reads what `uname -r` says, such as `6.1.0-28-amd64`. `None` if it does
    /// not begin with two numbers.
    #[must_use]
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        Some(Self {
            major: numbers.next()?.parse().ok()?,
            minor: numbers.next()?.parse().ok()?,
        })
    }
}

impl fmt::Display for KernelRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::KernelRelease;

    #[test]
    fn releases_of_distributions_are_read_and_compared_as_numbers() {
        for (text, major, minor) in [
            ("5.4.0-1103-aws", 5, 4),
            ("5.10.226", 5, 10),
            ("5.15.0-1066-gke", 5, 15),
            ("6.1.0-28-amd64", 6, 1),
            ("6.12-rc7", 6, 12),
            ("6.18+", 6, 18),
        ] {
            let release = KernelRelease::parse(text);
            assert_eq!(release, Some(KernelRelease::new(major, minor)), "{text}");
        }
        assert!(KernelRelease::new(5, 9) < KernelRelease::OLDEST);
        assert!(KernelRelease::new(6, 12) > KernelRelease::TCX);
        for text in ["", "6", "linux-6.1", "6.x"] {
            assert_eq!(KernelRelease::parse(text), None, "{text}");
        }
    }
}
