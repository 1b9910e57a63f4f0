//! Which of a pod's packets are tapped: those that it receives, sends, or both.

use std::{fmt, str::FromStr};

use tap_common::Direction;

/// One direction or both, from the pod's point of view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Directions {
    /// What the pod receives.
    In,
    /// What the pod sends.
    Out,
    /// Both.
    #[default]
    Both,
}

/// A text that names no direction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of in, out, both")]
pub struct DirectionsError(String);

impl Directions {
    /// Each of them.
    #[must_use]
    pub const fn list(self) -> &'static [Direction] {
        match self {
            Self::In => &[Direction::In],
            Self::Out => &[Direction::Out],
            Self::Both => &Direction::ALL,
        }
    }
}

impl FromStr for Directions {
    type Err = DirectionsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "in" => Ok(Self::In),
            "out" => Ok(Self::Out),
            "both" => Ok(Self::Both),
            other => Err(DirectionsError(other.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for Directions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Both => "both",
        })
    }
}
