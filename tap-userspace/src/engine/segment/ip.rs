//! The IP header of a super-frame's frames.

use super::{low_u16, without};
use crate::engine::checksum::Sum;
use crate::engine::headers::{Ip, field};

/// Offsets in an IPv4 header of its identification and checksum.
const IPV4_ID: usize = 4;
const IPV4_CHECKSUM: usize = 10;

/// Where an IP header is in a template.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpAt {
    pub(super) ip: Ip,
    pub(super) at: usize,
    /// The header that follows it.
    pub(super) next_at: usize,
    /// The end of the template: of all headers.
    pub(super) payload_at: usize,
}

/// Writes the fields of an IP header that differ from frame to frame.
pub(super) struct IpHeader {
    v4: bool,
    at: usize,
    /// The length field.
    length_at: usize,
    /// Bytes that the length field counts before the payload.
    headers_len: usize,
    id: u16,
    has_fixed_id: bool,
    /// The IPv4 header without length, identification and checksum.
    constant: Sum,
}

impl IpHeader {
    pub(super) fn new(template: &[u8], at: IpAt, has_fixed_id: bool) -> Self {
        let header = template.get(at.at..at.next_at).unwrap_or_default();
        let length_at = at.ip.length_at(at.at);
        Self {
            v4: at.ip == Ip::V4,
            at: at.at,
            length_at,
            headers_len: at.payload_at - at.ip.counted_from(at.at),
            id: field::read_u16(header, IPV4_ID).unwrap_or(0),
            has_fixed_id,
            constant: without(header, &[length_at - at.at, IPV4_ID, IPV4_CHECKSUM]),
        }
    }

    /// Writes them for a payload of this many bytes.
    pub(super) fn write(&self, template: &mut [u8], payload_len: usize) {
        let length = low_u16(self.headers_len + payload_len);
        field::write_u16(template, self.length_at, length);
        if self.v4 {
            // The whole header anew, as `ip_send_check`.
            let sum = self.constant + Sum::of_u16(length) + Sum::of_u16(self.id);
            field::write_u16(template, self.at + IPV4_ID, self.id);
            field::write_u16(template, self.at + IPV4_CHECKSUM, sum.checksum());
        }
    }

    /// Goes on behind a frame that stands for this many of the wire: the
    /// identification counts up, and wraps (`inet_gso_segment`).
    pub(super) fn advance(&mut self, wire_frames: u16) {
        if !self.has_fixed_id {
            self.id = self.id.wrapping_add(wire_frames);
        }
    }
}
