//! How large the frames are that super-frames are cut into.

use std::{fmt, str::FromStr};

/// How to cut super-frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Segment {
    /// At `gso_size`, as the wire carries them.
    #[default]
    Wire,
    /// TCP at the largest multiple of `gso_size` whose IP packet has no more
    /// than [`JUMBO_IP_BYTES`]: fewer and larger frames for a sensor that
    /// reads them.
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
