//! What a check of the node found, for `podtap doctor`.

use std::fmt;

use serde::Serialize;

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked.
    pub check: &'static str,
    /// How it stands.
    pub outcome: Outcome,
    /// What was found, in one line.
    pub found: String,
    /// What to do, in one line; there for all but [`Outcome::Ok`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As podtap needs it.
    Ok,
    /// podtap works, with less.
    Warn,
    /// Something that podtap is for does not work.
    Fail,
}

impl Finding {
    /// Nothing to do.
    #[must_use]
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            outcome: Outcome::Ok,
            found: found.into(),
            advice: None,
        }
    }

    /// Something could be better, and how.
    #[must_use]
    pub fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            check,
            outcome: Outcome::Warn,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    /// Something must be better, and how.
    #[must_use]
    pub fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Fail,
            ..Self::warn(check, found, advice)
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}
