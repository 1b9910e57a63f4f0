//! What somebody wants of a pod, and of its namespace.

use serde_json::{Value, json};
use tests::Random;

/// A pod's own label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Yes,
    No,
    /// As its namespace says.
    Absent,
}

impl Label {
    pub(crate) fn any(random: &mut Random) -> Self {
        random.pick(&[Self::Yes, Self::Yes, Self::No, Self::Absent])
    }

    pub(crate) fn labels(self) -> Value {
        match self {
            Self::Yes => json!({"podtap.dev/tap": "true"}),
            Self::No => json!({"podtap.dev/tap": "false"}),
            Self::Absent => json!({}),
        }
    }

    pub(crate) fn wants(self, namespace: Self) -> bool {
        match self {
            Self::Yes => true,
            Self::No => false,
            Self::Absent => namespace == Self::Yes,
        }
    }
}
