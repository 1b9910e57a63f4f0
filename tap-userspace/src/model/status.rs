//! What the agent says of itself: the document behind `podtap status`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tap_common::{LedgerRow, Verdict};

/// The agent at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the agent.
    pub version: String,
    /// The node whose pods it taps.
    pub node: String,
    /// Whether the API server answers: `connecting`, `connected` or `away`.
    pub api: String,
    /// The tap interface that its frames go to.
    pub tap: String,
    /// How the kernel programs ask what an skb hides: `kfuncs`, `probe-reads`
    /// or `helpers`.
    #[serde(default)]
    pub metadata: String,
    /// Whether it waits for another agent of this node to end.
    #[serde(default)]
    pub is_waiting: bool,
    /// Packet sockets that listen on the tap, if the kernel says.
    #[serde(default)]
    pub tap_readers: Option<usize>,
    /// Whether its targets only count, since nobody listens on the tap.
    #[serde(default)]
    pub is_paused: bool,
    /// Tapped interfaces.
    pub targets: Vec<TargetStatus>,
    /// Pods that are wanted and not tapped.
    pub refused: Vec<RefusedStatus>,
    /// What user space did since the agent started, ended targets included.
    pub datapath: DatapathStatus,
}

/// One tapped interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Namespace of its pod.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// UID of its pod.
    pub uid: String,
    /// Its interface in the pod.
    pub interface: String,
    /// How it is attached: `tcx` or `clsact`.
    pub hook: String,
    /// What is tapped of it: `in`, `out` or `both`.
    #[serde(default = "both")]
    pub direction: String,
    /// Whether its interface carries what it does not see.
    #[serde(default)]
    pub is_blind: bool,
    /// When it was enabled, nanoseconds since the Unix epoch.
    pub since_ns: u64,
    /// When its first frame was seen, likewise.
    pub first_frame_ns: Option<u64>,
    /// What the pod received.
    pub received: LedgerStatus,
    /// What it sent.
    pub sent: LedgerStatus,
    /// Frames made of its records.
    pub frames: u64,
    /// Frames of those that the tap has.
    pub delivered: u64,
    /// Frames of those that the tap refused.
    pub refused: u64,
    /// Records that no frame was made of.
    pub left_out: u64,
    /// Frames that another pod of this node was seen to send, and that are on
    /// the tap already.
    #[serde(default)]
    pub duplicates: u64,
}

/// A pod that is wanted and not tapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedStatus {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Why, as in the Event: one CamelCase word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

/// One direction's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerStatus {
    /// Every skb that the classifier saw.
    pub seen: CountStatus,
    /// What became of them, by the verdict's name.
    pub verdicts: BTreeMap<String, CountStatus>,
}

/// A number of skbs and of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountStatus {
    /// skbs.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What user space did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatapathStatus {
    /// Records out of the ring.
    pub records: u64,
    /// Records of those that were none of this ABI.
    pub undecodable: u64,
    /// Frames that the tap has.
    pub delivered: u64,
    /// Frames that the tap refused.
    pub refused: u64,
    /// Frames that another pod of this node was seen to send, and that are on
    /// the tap already.
    #[serde(default)]
    pub duplicates: u64,
    /// From the kernel program to the tap.
    #[serde(default)]
    pub delay: DelayStatus,
    /// What the frame engine did, by the count's name.
    pub engine: BTreeMap<String, u64>,
}

/// How long packets took from the kernel program to the tap, in nanoseconds;
/// quantiles are at most a quarter too large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelayStatus {
    /// Half of them took no longer.
    pub p50_ns: u64,
    /// 99 in 100 took no longer.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl Status {
    /// Of an agent that waits for another one of its node to end.
    #[must_use]
    pub fn waiting(node: &str, tap: &str) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            node: node.into(),
            api: "connected".into(),
            tap: tap.into(),
            metadata: String::new(),
            is_waiting: true,
            tap_readers: None,
            is_paused: false,
            targets: Vec::new(),
            refused: Vec::new(),
            datapath: DatapathStatus::default(),
        }
    }
}

/// What an agent means that does not say.
fn both() -> String {
    super::Directions::Both.to_string()
}

impl From<&LedgerRow> for LedgerStatus {
    fn from(row: &LedgerRow) -> Self {
        let count = |count: tap_common::Count| CountStatus {
            packets: count.packets,
            bytes: count.bytes,
        };
        Self {
            seen: count(row.seen),
            verdicts: Verdict::ALL
                .iter()
                .map(|verdict| (verdict.name().to_owned(), count(row.count(*verdict))))
                .collect(),
        }
    }
}
