//! Pseudo-headers: what a transport checksum covers beside its packet
//! (RFC 9293 section 3.1, RFC 768; RFC 8200 section 8.1 for IPv6).

use super::Sum;
use crate::engine::headers::{Ip, Protocol, Transport, field, number};

/// Offsets of the addresses, and their length, in an IPv4 and an IPv6 header.
const IPV4_ADDRESSES: usize = 12;
const IPV4_ADDRESS_BYTES: usize = 4;
const IPV6_ADDRESSES: usize = 8;
const IPV6_ADDRESS_BYTES: usize = 16;

/// Sum of the pseudo-header, or `None` where its destination cannot be known.
#[must_use]
#[inline]
pub fn sum(frame: &[u8], transport: &Transport) -> Option<Sum> {
    let length = u32::try_from(transport.end.checked_sub(transport.transport_at)?).ok()?;
    let addresses = match transport.ip {
        Ip::V4 => addresses(frame, transport)?,
        Ip::V6(v6) => {
            let source = field::bytes(frame, transport.ip_at + IPV6_ADDRESSES, IPV6_ADDRESS_BYTES)?;
            let destination = field::bytes(frame, v6.final_destination_at?, IPV6_ADDRESS_BYTES)?;
            Sum::of(source) + Sum::of(destination)
        }
    };
    Some(addresses + protocol(transport) + Sum::of_u32(length))
}

/// Sum of the pseudo-header without its length, with the addresses that are in
/// the IP header, wherever the packet goes in the end: what the kernel takes
/// when it makes a super-frame's sum anew (`__tcp_v4_send_check`,
/// `__tcp_v6_send_check`).
#[must_use]
pub fn as_in_ip_header(frame: &[u8], transport: &Transport) -> Option<Sum> {
    Some(addresses(frame, transport)? + protocol(transport))
}

fn addresses(frame: &[u8], transport: &Transport) -> Option<Sum> {
    let (at, len) = match transport.ip {
        Ip::V4 => (IPV4_ADDRESSES, 2 * IPV4_ADDRESS_BYTES),
        Ip::V6(_) => (IPV6_ADDRESSES, 2 * IPV6_ADDRESS_BYTES),
    };
    Some(Sum::of(field::bytes(frame, transport.ip_at + at, len)?))
}

fn protocol(transport: &Transport) -> Sum {
    Sum::of_u16(u16::from(match transport.protocol {
        Protocol::Tcp => number::TCP,
        Protocol::Udp => number::UDP,
    }))
}
