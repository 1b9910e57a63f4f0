//! The kinds of skbs, and how often each comes.

use tap_common::Metadata;

use tests::Random;

/// What kind of skb a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    TcpSuperFrame,
    UdpSuperFrame,
    /// One whose checksum field holds anything.
    TcpSuperFrameNotPartial,
    /// An ordinary packet with a partial checksum.
    Partial,
    /// One with anything in its field, wherever that is, and behind the packet.
    PartialAnyhow,
    /// Complete and right.
    Complete,
    /// Complete and wrong: it stays so.
    Corrupt,
    /// Complete, wrong, and as if it were partial.
    CorruptByChance,
    /// UDP over IPv4 without a checksum.
    Without,
    Fragment,
    /// Another protocol over IP.
    OtherIp,
    /// Anything behind an EtherType.
    Noise,
}

impl Kind {
    /// Those of which podtap knows enough, when it asks this way.
    pub(crate) fn all(metadata: Metadata) -> Vec<Self> {
        let mut all = vec![
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
        if metadata != Metadata::Helpers {
            all.push(Self::TcpSuperFrameNotPartial);
        }
        if metadata == Metadata::Kfuncs {
            all.extend([Self::PartialAnyhow, Self::CorruptByChance]);
        }
        all
    }

    pub(crate) fn any(random: &mut Random, metadata: Metadata) -> Self {
        let all = Self::all(metadata);
        let more = &all[9..];
        match random.between(0, 15 + more.len()) {
            0..=6 => Self::TcpSuperFrame,
            7..=9 => Self::UdpSuperFrame,
            10 | 11 => Self::Partial,
            12 => random.pick(&[Self::Complete, Self::Without]),
            13 => Self::Corrupt,
            14 => Self::Fragment,
            15 => random.pick(&[Self::OtherIp, Self::Noise]),
            other => more[other - 16],
        }
    }
}
