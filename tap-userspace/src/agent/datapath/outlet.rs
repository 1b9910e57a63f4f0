//! From a record to the sinks: all of the datapath but the ring and the thread.

use std::collections::BTreeMap;

use super::{DatapathCounts, DatapathError, DatapathOptions};
use crate::{
    adapter::sink::{Delivery, Sink, SinkError},
    agent::clocks,
    engine::{
        clock::Clock, decode::decode, duplicates::Duplicates, framer::Framer, offload::GsoTypes,
    },
    model::{Frame, Segment, TargetId},
};

/// All of the way but the ring.
pub(super) struct Outlet {
    gso_types: GsoTypes,
    /// Targets whose records may come, and how their super-frames are cut.
    pub(super) standing: BTreeMap<TargetId, Segment>,
    /// Unless duplicates are kept.
    duplicates: Option<Duplicates>,
    framer: Framer,
    clock: Clock,
    pub(super) sinks: Vec<Box<dyn Sink>>,
    pub(super) counts: DatapathCounts,
    /// Frames still to deliver, if there is a limit.
    wanted: Option<u64>,
    pub(super) error: Option<DatapathError>,
}

impl Outlet {
    pub(super) fn new(options: DatapathOptions, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self {
            gso_types: options.gso_types,
            standing: BTreeMap::new(),
            duplicates: (!options.keep_duplicates).then(Duplicates::new),
            framer: Framer::new(),
            clock: clocks::start(),
            sinks,
            counts: DatapathCounts::default(),
            wanted: options.frame_limit,
            error: None,
        }
    }

    /// Takes one record, as it was in the ring.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.counts.records += 1;
        let record = match decode(bytes, &self.gso_types) {
            Ok(record) => record,
            Err(error) => {
                // Once: the next ones are likely to be alike.
                if self.counts.undecodable == 0 {
                    tracing::error!(
                        %error,
                        "a record that cannot be read: is this the podtap that loaded the programs?"
                    );
                }
                self.counts.undecodable += 1;
                return;
            }
        };
        let timestamp_ns = self.clock.realtime_ns(record.timestamp_ns);
        let target = self.counts.targets.entry(record.target_id).or_default();
        target.records += 1;
        let frames_before = target.frames;
        let segment = self.standing.get(&record.target_id);
        let segment = segment.copied().unwrap_or_default();
        // One target alone sees nothing twice.
        let is_alone = self.standing.len() < 2;
        let mut duplicates = self.duplicates.as_mut().filter(|_| !is_alone);
        let (sinks, wanted, error) = (&mut self.sinks, &mut self.wanted, &mut self.error);
        self.framer.frames(&record, segment, |bytes| {
            target.frames += 1;
            target.first_frame_ns.get_or_insert(timestamp_ns);
            target.frame_bytes += bytes.len() as u64;
            let is_duplicate = duplicates.as_deref_mut().is_some_and(|duplicates| {
                duplicates.is_duplicate(record.direction, record.timestamp_ns, bytes)
            });
            if is_duplicate {
                target.duplicates += 1;
                return;
            }
            if error.is_some() || *wanted == Some(0) {
                target.surplus += 1;
                return;
            }
            let frame = Frame {
                target_id: record.target_id,
                direction: record.direction,
                timestamp_ns,
                bytes,
            };
            match deliver(sinks, &frame) {
                Ok(Delivery::Delivered) => {
                    target.delivered += 1;
                    if let Some(wanted) = wanted {
                        *wanted -= 1;
                    }
                }
                Ok(Delivery::Refused) => target.refused += 1,
                Err(failed) => {
                    target.surplus += 1;
                    *error = Some(failed.into());
                }
            }
        });
        target.left_out += u64::from(target.frames == frames_before);
        self.counts.framer = *self.framer.counts();
        let delay_ns = clocks::monotonic_ns().saturating_sub(record.timestamp_ns);
        self.counts.delays.record(delay_ns);
    }

    /// The ring is empty.
    pub(super) fn idle(&mut self) {
        if self.error.is_some() {
            return;
        }
        for sink in &mut self.sinks {
            if let Err(error) = sink.idle() {
                self.error = Some(error.into());
                return;
            }
        }
    }

    /// Compares the real-time clock with the monotonic one.
    pub(super) fn resample(&mut self) {
        clocks::resample(&mut self.clock);
    }

    /// Whether nothing more will be delivered.
    pub(super) fn has_ended(&self) -> bool {
        self.error.is_some() || self.wanted == Some(0)
    }
}

/// To every sink; delivered only if all of them have it.
fn deliver(sinks: &mut [Box<dyn Sink>], frame: &Frame<'_>) -> Result<Delivery, SinkError> {
    let mut delivery = Delivery::Delivered;
    for sink in sinks {
        if sink.deliver(frame)? == Delivery::Refused {
            delivery = Delivery::Refused;
        }
    }
    Ok(delivery)
}
