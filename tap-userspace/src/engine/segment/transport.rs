//! The TCP or UDP header of a super-frame's frames.

use super::{low_u16, without};
use crate::engine::checksum::Sum;
use crate::engine::checksum::partial::never_zero;
use crate::engine::headers::{Protocol, TCP_CHECKSUM, Transport, UDP_CHECKSUM, field};

/// Offsets in a TCP header of its sequence number, and of its data offset and
/// flags.
const TCP_SEQUENCE: usize = 4;
const TCP_FLAGS: usize = 12;
/// Offset in a UDP header of its length.
pub(super) const UDP_LENGTH: usize = 4;

const TCP_FIN: u16 = 0x01;
const TCP_PSH: u16 = 0x08;
const TCP_CWR: u16 = 0x80;

/// Writes the fields of a transport header that differ from frame to frame.
pub(super) struct TransportHeader {
    protocol: Protocol,
    at: usize,
    header_len: usize,
    /// The next segment's sequence number (TCP).
    sequence: u32,
    /// Data offset and flags, as the super-frame has them (TCP).
    flags: u16,
    first: bool,
    keeps_cwr: bool,
    /// The header without the fields that differ, and the pseudo-header
    /// without its length.
    constant: Sum,
}

impl TransportHeader {
    /// `transport` is where it is in the template. `anew` is the sum of the
    /// pseudo-header without its length, where the field does not hold it.
    pub(super) fn new(
        template: &[u8],
        transport: &Transport,
        anew: Option<Sum>,
        keeps_cwr: bool,
    ) -> Self {
        let at = transport.transport_at;
        let header_len = transport.payload_at - at;
        let header = template.get(at..).unwrap_or_default();
        // The field holds the pseudo-header's sum with the old length. Taking
        // that length out leaves whatever was wrong with it.
        let (constant, field, old_length) = match transport.protocol {
            // `tcp_gso_segment` takes `skb->len`, in 32 bits.
            Protocol::Tcp => (
                without(
                    header,
                    &[TCP_SEQUENCE, TCP_SEQUENCE + 2, TCP_FLAGS, TCP_CHECKSUM],
                ),
                field::read_u16(header, TCP_CHECKSUM),
                u32::try_from(transport.end - at).unwrap_or(u32::MAX),
            ),
            // `__udp_gso_segment` takes the header's own length.
            Protocol::Udp => (
                without(header, &[UDP_LENGTH, UDP_CHECKSUM]),
                field::read_u16(header, UDP_CHECKSUM),
                u32::from(field::read_u16(header, UDP_LENGTH).unwrap_or(0)),
            ),
        };
        let by_difference = || Sum::of_u16(field.unwrap_or(0)) + Sum::of_u32(!old_length);
        Self {
            protocol: transport.protocol,
            at,
            header_len,
            sequence: field::read_u32(header, TCP_SEQUENCE).unwrap_or(0),
            flags: field::read_u16(header, TCP_FLAGS).unwrap_or(0),
            first: true,
            keeps_cwr,
            constant: constant + anew.unwrap_or_else(by_difference),
        }
    }

    /// Writes them for the next frame, whose payload has this length and sum.
    pub(super) fn write(
        &mut self,
        template: &mut [u8],
        payload_len: usize,
        payload: Sum,
        last: bool,
    ) {
        let length = low_u16(self.header_len + payload_len);
        let sum = self.constant + Sum::of_u16(length) + payload;
        match self.protocol {
            Protocol::Tcp => {
                let mut flags = self.flags;
                if !last {
                    flags &= !(TCP_FIN | TCP_PSH);
                }
                if !self.first && !self.keeps_cwr {
                    flags &= !TCP_CWR;
                }
                let sum = sum + Sum::of_u32(self.sequence) + Sum::of_u16(flags);
                field::write_u32(template, self.at + TCP_SEQUENCE, self.sequence);
                field::write_u16(template, self.at + TCP_FLAGS, flags);
                field::write_u16(template, self.at + TCP_CHECKSUM, sum.checksum());
                let sent = u32::try_from(payload_len).unwrap_or(u32::MAX);
                self.sequence = self.sequence.wrapping_add(sent);
            }
            Protocol::Udp => {
                field::write_u16(template, self.at + UDP_LENGTH, length);
                // The length is in the datagram and in its pseudo-header. A 0
                // in the super-frame's field is no "none" (RFC 768) to the
                // kernel, which makes none such itself: GRO takes no datagrams
                // without a checksum (`udp_gro_receive_segment`).
                let sum = sum + Sum::of_u16(length);
                let checksum = never_zero(sum.checksum());
                field::write_u16(template, self.at + UDP_CHECKSUM, checksum);
            }
        }
        self.first = false;
    }
}
