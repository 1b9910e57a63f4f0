//! How large the frames are that super-frames are cut into.

use std::{fmt, str::FromStr};

/// How to cut super-frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Segment {
    /// At `gso_size`, as the wire carries them.
    #[default]
    Wire,
    /// TCP: at the largest multiple of `gso_size` whose IP packet, headers
    /// included, is no longer than [`JUMBO_IP_BYTES`], and at least one
    /// `gso_size`; in a tunnel that is the outer packet. Each frame says what
    /// the frames of the wire said that it stands for: IP IDs go on by as
    /// many. Datagrams of UDP stay apart.
    Jumbo,
}

/// The longest IP packet of a frame of [`Segment::Jumbo`], in bytes. Stock
/// Zeek and Suricata read frames of up to 9,216 bytes.
pub const JUMBO_IP_BYTES: usize = 9000;

/// A text that names no way to cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of wire, jumbo")]
pub struct SegmentError(String);

impl FromStr for Segment {
    type Err = SegmentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "wire" => Ok(Self::Wire),
            "jumbo" => Ok(Self::Jumbo),
            other => Err(SegmentError(other.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wire => "wire",
            Self::Jumbo => "jumbo",
        })
    }
}
