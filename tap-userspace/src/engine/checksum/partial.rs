//! Transport checksums that the kernel has left for the hardware to complete.
//!
//! A sender whose device offers checksum offload writes into the checksum
//! field only the folded sum of the pseudo-header, **not inverted**, and marks
//! the skb `CHECKSUM_PARTIAL` (include/linux/skbuff.h, "Checksumming on output";
//! `__tcp_v4_send_check`, `udp4_hwcsum`, `__tcp_v6_send_check`,
//! `udp6_set_csum`). A veth never completes it.
//!
//! # The value rule
//! A record does not say yet what the sk_buff said, so the value decides: a
//! TCP or UDP checksum that equals the folded pseudo-header sum is partial,
//! any other is final, right or wrong. A corrupt packet so stays corrupt.
//!
//! # Its blind spot
//! A final checksum may hold that value by chance, as one in 65,535 does. On a
//! valid packet that is harmless: completing gives the one value that makes
//! the packet valid, so the one that was there. A *corrupt* packet whose field
//! happens to hold it is healed, which only the sk_buff can prevent.
//!
//! The other way round, a partial checksum whose pseudo-header cannot be known
//! from the packet stays as it is: behind an IPv4 source route (RFC 791), an
//! IPv6 routing header of an unknown type, inside a tunnel.
//!
//! Padding behind the packet is not covered, although the kernel sums to the
//! end of the skb (net/core/dev.c `skb_checksum_help`) and padding need not be
//! zero. To cover it would damage those valid packets that hold the value by
//! chance, and a sender whose partial packets are padded is not known.

use super::Sum;
use crate::engine::headers::{Ip, Protocol, Transport, field};

/// Offset of the checksum field in a TCP header (RFC 9293 section 3.1).
pub const TCP_FIELD: usize = 16;
/// Offset of the checksum field in a UDP header (RFC 768).
pub const UDP_FIELD: usize = 6;

/// What is to be done about a packet's transport checksum. Whoever knows more
/// than the value, because the sk_buff was asked, decides here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumState {
    /// It is what the wire carried, right or wrong.
    Final,
    /// It holds the pseudo-header's sum and is to be completed.
    Partial(Partial),
}

/// Where a checksum is to be completed. Offsets in bytes from the start of the
/// frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// First byte that the sum covers: the kernel's `csum_start`.
    pub start: usize,
    /// End of what it covers.
    pub end: usize,
    /// The field: the kernel's `csum_start + csum_offset`.
    pub field: usize,
}

impl ChecksumState {
    /// Decides by the value rule. `frame` is the frame that `transport` was
    /// read from.
    #[must_use]
    pub fn by_value(frame: &[u8], transport: &Transport) -> Self {
        let at = transport.checksum_at();
        match (field::read_u16(frame, at), pseudo_header(frame, transport)) {
            // A pseudo-header with a protocol number never sums to 0, so the
            // 0 that is "none" in UDP over IPv4 (RFC 768) is never partial.
            (Some(value), Some(sum)) if value == sum.fold() => Self::Partial(Partial {
                start: transport.transport_at,
                end: transport.end,
                field: at,
            }),
            _ => Self::Final,
        }
    }
}

impl Partial {
    /// The complete checksum. A sum that would give 0 gives 0xffff, for UDP as
    /// RFC 768 demands and for TCP because the kernel's software does the same
    /// (net/core/dev.c `skb_checksum_help`).
    #[must_use]
    pub fn complete(&self, frame: &[u8]) -> u16 {
        let covered = frame.get(self.start..self.end).unwrap_or_default();
        never_zero(Sum::of(covered).checksum())
    }
}

/// 0xffff for 0, which in UDP means that there is no checksum (RFC 768).
#[must_use]
pub fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { u16::MAX } else { checksum }
}

/// Sum of the pseudo-header (RFC 9293 section 3.1, RFC 768; RFC 8200 section
/// 8.1 for IPv6), or `None` where its destination cannot be known.
fn pseudo_header(frame: &[u8], transport: &Transport) -> Option<Sum> {
    let length = u32::try_from(transport.end.checked_sub(transport.transport_at)?).ok()?;
    let addresses = match transport.ip {
        Ip::V4 => Sum::of(field::bytes(frame, transport.ip_at + 12, 8)?),
        Ip::V6(v6) => {
            let source = field::bytes(frame, transport.ip_at + 8, 16)?;
            let destination = field::bytes(frame, v6.final_destination_at?, 16)?;
            Sum::of(source) + Sum::of(destination)
        }
    };
    let protocol = match transport.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    };
    Some(addresses + Sum::of_u16(protocol) + Sum::of_u32(length))
}
