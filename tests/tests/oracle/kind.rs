//! The kinds of skbs, and how often each comes.

use crate::random::Random;

/// What kind of skb a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    TcpSuperFrame,
    UdpSuperFrame,
    /// An ordinary packet with a partial checksum.
    Partial,
    /// Complete and right.
    Complete,
    /// Complete and wrong: it stays so.
    Corrupt,
    /// UDP over IPv4 without a checksum.
    Without,
    Fragment,
    /// Another protocol over IP.
    OtherIp,
    /// Anything behind an EtherType.
    Noise,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::TcpSuperFrame,
        Self::UdpSuperFrame,
        Self::Partial,
        Self::Complete,
        Self::Corrupt,
        Self::Without,
        Self::Fragment,
        Self::OtherIp,
        Self::Noise,
    ];

    pub(crate) fn any(random: &mut Random) -> Self {
        match random.between(0, 15) {
            0..=6 => Self::TcpSuperFrame,
            7..=9 => Self::UdpSuperFrame,
            10 | 11 => Self::Partial,
            12 => random.pick(&[Self::Complete, Self::Without]),
            13 => Self::Corrupt,
            14 => Self::Fragment,
            _ => random.pick(&[Self::OtherIp, Self::Noise]),
        }
    }
}
