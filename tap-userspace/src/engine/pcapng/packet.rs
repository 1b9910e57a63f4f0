//! The Enhanced Packet Block (section 4.3).

use bytes::{BufMut, BytesMut};
use tap_common::Direction;

use super::block;
use crate::model::Frame;

const BLOCK_TYPE: u32 = 6;
const OPTION_FLAGS: u16 = 2;
/// Bits 0 and 1 of the flags (section 4.3.1): how the interface saw it.
const FLAGS_INBOUND: u32 = 0b01;
const FLAGS_OUTBOUND: u32 = 0b10;
/// Bytes of a block beside the packet, for reservation: fixed fields, flags,
/// end of options, padding.
const FIXED_BYTES: usize = 20 + 8 + 4 + 3;
/// Bytes of one packet that are ever kept: far beyond any frame, and no block
/// length overflows.
const KEPT_MAX_BYTES: u32 = 1 << 30;

/// One frame as a capture keeps it: the only place where a frame is cut short,
/// and its length on the wire stays known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnhancedPacket<'a> {
    /// Number of its interface in this section.
    pub interface_id: u32,
    /// Bytes that are kept of it; 0 for all of them.
    pub snaplen_bytes: u32,
    /// The frame.
    pub frame: Frame<'a>,
}

impl EnhancedPacket<'_> {
    /// Appends the block.
    pub fn encode(&self, buffer: &mut BytesMut) {
        let bytes = self.frame.bytes;
        let original_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let kept_max = match self.snaplen_bytes {
            0 => KEPT_MAX_BYTES,
            snaplen => snaplen.min(KEPT_MAX_BYTES),
        };
        let kept = usize::try_from(original_len.min(kept_max)).unwrap_or(usize::MAX);
        let head = bytes.head.get(..kept).unwrap_or(bytes.head);
        let payload = bytes
            .payload
            .get(..kept - head.len())
            .unwrap_or(bytes.payload);
        let flags = match self.frame.direction {
            Direction::In => FLAGS_INBOUND,
            Direction::Out => FLAGS_OUTBOUND,
        };
        block::append(buffer, BLOCK_TYPE, FIXED_BYTES + kept, |body| {
            body.put_u32_le(self.interface_id);
            block::timestamp(body, self.frame.timestamp_ns);
            body.put_u32_le(original_len.min(kept_max));
            body.put_u32_le(original_len);
            body.put_slice(head);
            body.put_slice(payload);
            block::pad(body, kept);
            block::option(body, OPTION_FLAGS, &flags.to_le_bytes());
            block::end_of_options(body);
        });
    }
}
