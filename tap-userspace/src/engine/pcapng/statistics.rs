//! The Interface Statistics Block (section 4.6).

use bytes::{BufMut, BytesMut};

use super::block;

const BLOCK_TYPE: u32 = 5;

const OPTION_START: u16 = 2;
const OPTION_END: u16 = 3;
const OPTION_RECEIVED: u16 = 4;
const OPTION_DROPPED: u16 = 5;
const OPTION_ACCEPTED: u16 = 6;
const OPTION_DELIVERED: u16 = 8;
/// Fixed fields and six options of 12 bytes.
const BODY_BYTES: usize = 12 + 6 * 12 + 4;

/// What became of an interface's packets. Times are in nanoseconds since the
/// Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceStatistics {
    /// Number of the interface in this section.
    pub interface_id: u32,
    /// When the numbers were taken.
    pub timestamp_ns: u64,
    /// When the capture began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// Packets that the interface carried: the ledger's `seen`.
    pub received: u64,
    /// Packets of these that were lost for want of room or time.
    pub dropped: u64,
    /// Packets that the filter let through, where there is one.
    pub accepted: Option<u64>,
    /// Packets that were written.
    pub delivered: u64,
}

impl InterfaceStatistics {
    /// Appends the block.
    pub fn encode(&self, buffer: &mut BytesMut) {
        block::append(buffer, BLOCK_TYPE, BODY_BYTES, |body| {
            body.put_u32_le(self.interface_id);
            block::timestamp(body, self.timestamp_ns);
            block::option(body, OPTION_START, &block::timestamp_halves(self.start_ns));
            block::option(body, OPTION_END, &block::timestamp_halves(self.end_ns));
            block::option(body, OPTION_RECEIVED, &self.received.to_le_bytes());
            block::option(body, OPTION_DROPPED, &self.dropped.to_le_bytes());
            if let Some(accepted) = self.accepted {
                block::option(body, OPTION_ACCEPTED, &accepted.to_le_bytes());
            }
            block::option(body, OPTION_DELIVERED, &self.delivered.to_le_bytes());
            block::end_of_options(body);
        });
    }
}
