//! A capture of one interface, from start to closing lines.

use std::{fmt, future::Future, io, time::Duration};

use tap_common::{Metadata, Verdict};

use super::{
    clocks::realtime_ns,
    datapath::{Datapath, DatapathError, DatapathOptions},
    target::{Target, TargetError},
};
use crate::{
    adapter::{
        bpf::{Hook, Shared, SharedError, SharedOptions},
        netns::Netns,
        sink::{Sink, SinkError, TargetStatistics},
    },
    model::{Directions, Segment, TargetId},
};

/// The only target of a capture.
pub const TARGET: TargetId = TargetId(1);

/// How often it looks whether the interface is still there.
const INTERFACE_CHECK: Duration = Duration::from_secs(1);

/// What to capture.
#[derive(Clone, Debug)]
pub struct CaptureOptions {
    /// Interface within the namespace.
    pub interface: String,
    /// Which directions, from the pod's point of view.
    pub directions: Directions,
    /// How to attach.
    pub hook: Hook,
    /// How the kernel side shall be.
    pub shared: SharedOptions,
    /// How super-frames are cut.
    pub segment: Segment,
    /// Frames after which it ends by itself.
    pub frame_limit: Option<u64>,
}

/// How a capture ended.
#[derive(Debug)]
pub struct Summary {
    /// True counts.
    pub statistics: TargetStatistics,
    /// Records out of the ring.
    pub records: u64,
    /// Records of those that could not be read.
    pub undecodable: u64,
    /// Super-frames whose boundaries were inferred.
    pub inferred: u64,
    /// What ended it early, if anything did.
    pub error: Option<DatapathError>,
    /// What kept the sinks from ending well.
    pub finish_error: Option<SinkError>,
}

/// Why a capture could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The kernel side could not be set up.
    #[error(transparent)]
    Kernel(#[from] SharedError),
    /// The datapath could not be started.
    #[error("cannot start the datapath: {0}")]
    Datapath(#[source] io::Error),
    /// The interface could not be tapped, or the tap not be ended.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Captures until `until` is done, the wanted frames are there, a sink takes no
/// more, or the interface is gone. `reopen` opens the namespace again: it is
/// not held open, since that would keep it alive after its pod. `started` is
/// called when the target is enabled, with how the
/// programs ask for metadata.
///
/// # Errors
/// When nothing could be captured, or a filter not be removed.
pub async fn capture(
    netns: Netns,
    reopen: impl Fn() -> Option<Netns>,
    options: &CaptureOptions,
    sinks: Vec<Box<dyn Sink>>,
    started: impl FnOnce(&Target, Metadata),
    until: impl Future<Output = ()>,
) -> Result<Summary, CaptureError> {
    let kernel = Shared::open(options.shared.clone())?;
    let start_ns = realtime_ns();
    let datapath_options = DatapathOptions {
        gso_types: kernel.gso_types,
        frame_limit: options.frame_limit,
        // A target alone sees nothing twice.
        keep_duplicates: true,
    };
    let datapath =
        Datapath::start(kernel.ring, datapath_options, sinks).map_err(CaptureError::Datapath)?;
    datapath.announce(TARGET, options.segment);
    let target = Target::attach(
        &kernel.shared,
        TARGET,
        &netns,
        &options.interface,
        options.directions,
        options.hook,
    )?;
    drop(netns);
    started(&target, kernel.metadata);
    tokio::select! {
        () = until => {}
        () = datapath.ended() => {}
        () = interface_gone(&target, &reopen) => {
            tracing::warn!(interface = target.link.name, "the interface is gone");
        }
    }
    let netns = target.needs_namespace().then(&reopen).flatten();
    let ledger = target.detach(netns.as_ref())?;
    let mut finished = datapath.finish();
    let counts = finished
        .counts
        .targets
        .get(&TARGET)
        .copied()
        .unwrap_or_default();
    let statistics = TargetStatistics {
        target_id: TARGET,
        start_ns,
        end_ns: realtime_ns(),
        ledger,
        left_out: counts.left_out,
        frames: counts.frames,
        delivered: counts.delivered,
        surplus: counts.surplus,
    };
    let finish_error = finished
        .sinks
        .iter_mut()
        .find_map(|sink| sink.finish(&[statistics]).err());
    Ok(Summary {
        statistics,
        records: counts.records,
        undecodable: finished.counts.undecodable,
        inferred: finished.counts.framer.inferred,
        error: finished.error,
        finish_error,
    })
}

/// Waits until the interface that was attached to is there no more.
async fn interface_gone(target: &Target, reopen: impl Fn() -> Option<Netns>) {
    let mut check = tokio::time::interval(INTERFACE_CHECK);
    loop {
        check.tick().await;
        // A thread and a netlink request, once a second: short enough to be
        // done here.
        if !reopen().is_some_and(|netns| target.is_in(&netns)) {
            return;
        }
    }
}

impl Summary {
    /// Whether every skb is accounted for, from the classifier to the sinks.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.statistics.ledger.closes() && self.records == self.mirrored()
    }

    fn mirrored(&self) -> u64 {
        let total = self.statistics.ledger.total();
        total.count(Verdict::Mirrored).packets
    }
}

impl fmt::Display for Summary {
    /// tcpdump's three lines, in frames as the wire carries them, and one on
    /// the ledger, in skbs as the kernel carries them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statistics = &self.statistics;
        writeln!(f, "{} packets captured", statistics.delivered)?;
        writeln!(f, "{} packets received by filter", statistics.received())?;
        writeln!(f, "{} packets dropped by kernel", statistics.lost_skbs())?;
        let total = statistics.ledger.total();
        let word = if self.closes() {
            "closes"
        } else {
            "DOES NOT CLOSE"
        };
        write!(f, "ledger {word}: {} skbs seen =", total.seen.packets)?;
        let mut plus = "";
        for verdict in Verdict::ALL {
            let count = total.count(verdict).packets;
            if count > 0 || verdict == Verdict::Mirrored {
                write!(f, "{plus} {count} {}", verdict.name())?;
                plus = " +";
            }
        }
        write!(f, "; {} frames made", statistics.frames)?;
        for (count, name) in [
            (self.undecodable, "records that could not be read"),
            (self.inferred, "super-frames cut at inferred lengths"),
            (statistics.left_out, "skbs left out"),
            (statistics.surplus, "frames not wanted any more"),
        ] {
            if count > 0 {
                write!(f, ", {count} {name}")?;
            }
        }
        Ok(())
    }
}
