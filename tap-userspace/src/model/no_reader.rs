//! What to do when nobody listens on the tap.

use std::{fmt, str::FromStr};

/// What a tap without a reader means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoReader {
    /// It is told, and pods are tapped on.
    #[default]
    Tell,
    /// Nothing is copied either, until somebody listens again.
    Pause,
}

/// A text that names nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of tell, pause")]
pub struct NoReaderError(String);

impl FromStr for NoReader {
    type Err = NoReaderError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tell" => Ok(Self::Tell),
            "pause" => Ok(Self::Pause),
            other => Err(NoReaderError(other.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for NoReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tell => "tell",
            Self::Pause => "pause",
        })
    }
}
