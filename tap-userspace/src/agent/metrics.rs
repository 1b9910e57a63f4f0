//! The agent in numbers, for Prometheus. docs/metrics.md is the table of what
//! is here, and a test holds the two together.
//!
//! Nothing is counted for this alone but how long steps take: a scrape reads
//! what stands in the ledgers and counts already.

mod datapath;
mod families;
mod ledger;
mod state;
mod timings;

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};

use families::Families;
pub use timings::Timings;

use super::datapath::DatapathCounts;
use crate::{
    adapter::kube::{ApiState, EventCounts},
    model::{Ledger, TargetId, pod::PodKey},
};

/// What [`render`] writes: the OpenMetrics text format.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Which labels that grow with the cluster there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// Also the families by namespace and pod.
    ByPod,
    /// None: sums alone.
    Summed,
}

/// The agent at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its version.
    pub version: &'static str,
    /// The node whose pods it taps.
    pub node: String,
    /// The tap interface that frames go to.
    pub tap: String,
    /// How the kernel programs ask what an skb hides.
    pub metadata: &'static str,
    /// Size of the ring in bytes.
    pub ring_bytes: u32,
    /// Packet sockets on the tap; `None` where the kernel does not say.
    pub tap_readers: Option<usize>,
    /// Whether its targets only count, since nobody listens.
    pub is_paused: bool,
    /// Whether it is ready, as `/readyz` says.
    pub is_ready: bool,
    /// How it stands with the API server.
    pub api: ApiState,
    /// What became of Kubernetes Events.
    pub events: EventCounts,
    /// Events that wait to be sent.
    pub events_queued: usize,
    /// Pods that are to be tapped.
    pub wanted_pods: usize,
    /// What stands.
    pub tapping: TappingSnapshot,
    /// What user space did.
    pub datapath: DatapathCounts,
}

/// The targets at one moment.
#[derive(Clone, Debug, Default)]
pub struct TappingSnapshot {
    /// Every target.
    pub targets: Vec<TargetSnapshot>,
    /// The targets that have ended, together.
    pub retired: Ledger,
    /// Pods that are tapped.
    pub attached_pods: usize,
    /// For each pod that is wanted and not tapped, why: one of
    /// [`Refusal::METRIC_NAMES`](crate::model::refusal::Refusal::METRIC_NAMES).
    pub refused: Vec<&'static str>,
    /// How often attaching to a pod failed.
    pub failures: u64,
    /// How long its steps take.
    pub timings: Timings,
}

/// One target at one moment.
#[derive(Clone, Debug)]
pub struct TargetSnapshot {
    /// Its identity in the datapath's counts.
    pub id: TargetId,
    /// Its pod.
    pub pod: PodKey,
    /// What became of every skb.
    pub ledger: Ledger,
    /// Whether its interface carries what it does not see.
    pub is_blind: bool,
}

/// The snapshot as text.
///
/// # Errors
/// None that can be met: text has room.
pub fn render(snapshot: Snapshot, labels: Labels) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Agent { snapshot, labels }));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Agent {
    snapshot: Snapshot,
    labels: Labels,
}

impl Collector for Agent {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let Self { snapshot, labels } = self;
        state::encode(&mut families, snapshot)?;
        ledger::encode(&mut families, snapshot)?;
        datapath::encode(&mut families, &snapshot.datapath)?;
        match labels {
            Labels::Summed => Ok(()),
            Labels::ByPod => {
                ledger::encode_by_pod(&mut families, snapshot)?;
                datapath::encode_by_pod(&mut families, snapshot)
            }
        }
    }
}
