//! The IPv6 header and its extension headers (RFC 8200 sections 3 and 4).
//!
//! The kernel cuts super-frames behind hop-by-hop, routing and destination
//! options headers (net/ipv6/ip6_offload.c `ipv6_gso_pull_exthdrs`); a packet
//! with any other is "other IP".

use super::{Extent, Headers, IPV6_BYTES, Ip, IpPacket, Ipv6, Kind, Malformed, field, transport};

/// Offset of the payload's length.
pub(super) const LENGTH_FIELD: usize = 4;
/// Unit of an extension header's length field, which does not count the first.
const EXTENSION_UNIT_BYTES: usize = 8;
/// Bytes of an address.
const ADDRESS_BYTES: usize = 16;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

pub(super) fn parse(frame: &[u8], at: usize, extent: Extent) -> Result<Headers, Malformed> {
    let fixed = field::bytes(frame, at, IPV6_BYTES).ok_or(Malformed)?;
    let [version, ..] = *fixed else {
        return Err(Malformed);
    };
    let mut next = at + IPV6_BYTES;
    let end = match extent {
        Extent::Header => {
            next + usize::from(field::read_u16(fixed, LENGTH_FIELD).ok_or(Malformed)?)
        }
        Extent::Frame => frame.len(),
    };
    // What lies beyond the packet is padding, no header.
    let packet = frame.get(..end).ok_or(Malformed)?;
    if version >> 4 != 6 {
        return Err(Malformed);
    }
    let mut protocol = *fixed.get(6).ok_or(Malformed)?;
    let mut ip = Ipv6 {
        final_destination_at: Some(at + 24),
        hop_by_hop: false,
    };
    while let HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS = protocol {
        if protocol == FRAGMENT {
            return Ok(Headers::Other(Kind::Fragment));
        }
        let [following, length, ..] =
            *field::bytes(packet, next, EXTENSION_UNIT_BYTES).ok_or(Malformed)?
        else {
            return Err(Malformed);
        };
        let bytes = (usize::from(length) + 1) * EXTENSION_UNIT_BYTES;
        let header = field::bytes(packet, next, bytes).ok_or(Malformed)?;
        match protocol {
            HOP_BY_HOP => ip.hop_by_hop = true,
            ROUTING => match final_destination(header) {
                Route::Arrived => {}
                Route::Address(offset) => ip.final_destination_at = Some(next + offset),
                Route::Unknown => ip.final_destination_at = None,
            },
            _ => {}
        }
        protocol = following;
        next += bytes;
    }
    let packet = IpPacket {
        ip: Ip::V6(ip),
        ip_at: at,
        payload_at: next,
        end,
        protocol,
    };
    transport(frame, packet, extent)
}

/// Where a routing header says that the packet goes in the end.
enum Route {
    /// To the destination in the IPv6 header: no segment is left.
    Arrived,
    /// To the address at this offset in the routing header.
    Address(usize),
    /// It does not say so plainly.
    Unknown,
}

/// The address that the sender took for the pseudo-header (RFC 8200 section
/// 8.1): the last one of types 0 (RFC 5095) and 2 (RFC 6275 section 6.4), the
/// first one of type 4, whose list is in reverse (RFC 8754 section 2). So does
/// the kernel put it there (net/ipv6/exthdrs.c `ipv6_push_rthdr0`,
/// `ipv6_push_rthdr4`). Type 3 (RFC 6554) shortens its addresses.
fn final_destination(header: &[u8]) -> Route {
    let [_, _, kind, segments_left, ..] = *header else {
        return Route::Unknown;
    };
    let addresses = (header.len() - EXTENSION_UNIT_BYTES) / ADDRESS_BYTES;
    match (segments_left, kind, addresses) {
        (0, ..) => Route::Arrived,
        (_, 0 | 2, 1..) => Route::Address(EXTENSION_UNIT_BYTES + (addresses - 1) * ADDRESS_BYTES),
        (_, 4, 1..) => Route::Address(EXTENSION_UNIT_BYTES),
        _ => Route::Unknown,
    }
}
