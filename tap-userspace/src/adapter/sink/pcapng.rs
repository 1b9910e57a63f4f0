//! A pcapng file, or a stream of it.

use std::{collections::BTreeMap, io::Write, path::PathBuf};

use bytes::BytesMut;
use tap_common::Verdict;

use super::{Delivery, Sink, SinkError, TargetStatistics};
use crate::{
    engine::pcapng::{EnhancedPacket, Interface, InterfaceStatistics, SectionHeader},
    model::{Frame, TargetId},
};

/// What is held back at most while frames keep coming, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;

/// Writes frames as pcapng, one interface block a target.
pub struct Pcapng {
    out: Box<dyn Write + Send>,
    path: PathBuf,
    buffer: BytesMut,
    interfaces: BTreeMap<TargetId, u32>,
    snaplen_bytes: u32,
}

impl Pcapng {
    /// Writes to `out`, which errors call `path`. Of each frame the first
    /// `snaplen_bytes` are kept, and its length on the wire; 0 keeps all.
    pub fn new(out: Box<dyn Write + Send>, path: PathBuf, snaplen_bytes: u32) -> Self {
        let mut buffer = BytesMut::with_capacity(BUFFER_BYTES * 2);
        SectionHeader {
            hardware: std::env::consts::ARCH,
            os: std::env::consts::OS,
            application: concat!("podtap ", env!("CARGO_PKG_VERSION")),
        }
        .encode(&mut buffer);
        Self {
            out,
            path,
            buffer,
            interfaces: BTreeMap::new(),
            snaplen_bytes,
        }
    }

    /// Adds a target's interface block. Comes before the target's first frame.
    pub fn add_target(&mut self, target: TargetId, name: &str, description: &str) {
        // No section has 2^32 targets.
        let id = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        Interface {
            name,
            description,
            os: std::env::consts::OS,
            snaplen_bytes: self.snaplen_bytes,
        }
        .encode(&mut self.buffer);
        self.interfaces.insert(target, id);
    }

    fn write_out(&mut self) -> Result<(), SinkError> {
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|source| self.error(source))
    }

    fn error(&self, source: std::io::Error) -> SinkError {
        SinkError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

impl Sink for Pcapng {
    /// Refused if the target has no interface block.
    fn deliver(&mut self, frame: &Frame<'_>) -> Result<Delivery, SinkError> {
        let Some(&interface_id) = self.interfaces.get(&frame.target_id) else {
            return Ok(Delivery::Refused);
        };
        EnhancedPacket {
            interface_id,
            snaplen_bytes: self.snaplen_bytes,
            frame: *frame,
        }
        .encode(&mut self.buffer);
        if self.buffer.len() >= BUFFER_BYTES {
            self.write_out()?;
        }
        Ok(Delivery::Delivered)
    }

    fn idle(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.write_out()?;
        self.out.flush().map_err(|source| self.error(source))
    }

    /// The statistics count frames: `received` are those that were made and
    /// the skbs that were lost before they could be cut, `dropped` those skbs
    /// and the frames that no sink took.
    fn finish(&mut self, statistics: &[TargetStatistics]) -> Result<(), SinkError> {
        for target in statistics {
            let Some(&interface_id) = self.interfaces.get(&target.target_id) else {
                continue;
            };
            InterfaceStatistics {
                interface_id,
                timestamp_ns: target.end_ns,
                start_ns: target.start_ns,
                end_ns: target.end_ns,
                received: target.received(),
                dropped: target.dropped(),
                accepted: None,
                delivered: target.delivered,
            }
            .encode(&mut self.buffer);
        }
        self.idle()
    }
}

impl TargetStatistics {
    /// skbs that were seen while the target was enabled and are not in the
    /// ring.
    #[must_use]
    pub fn lost_skbs(&self) -> u64 {
        let total = self.ledger.total();
        let kept = total.count(Verdict::Mirrored).packets + total.count(Verdict::Dormant).packets;
        total.seen.packets.saturating_sub(kept)
    }

    /// Frames made, and skbs lost before frames could be made of them.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.frames + self.left_out + self.lost_skbs()
    }

    /// What was received and not delivered.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.received() - self.delivered - self.surplus
    }
}

impl std::fmt::Debug for Pcapng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pcapng")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
