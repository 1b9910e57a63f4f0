//! The IPv4 header (RFC 791 section 3.1).

use super::{Extent, Headers, Ip, IpPacket, Kind, Malformed, field, transport};

/// Bytes of the header without options.
const HEADER_BYTES: usize = 20;
/// Offset of the packet's length.
pub(super) const LENGTH_FIELD: usize = 2;
/// More-fragments flag and fragment offset, without the don't-fragment flag.
const FRAGMENT_MASK: u16 = 0x3fff;

pub(super) fn parse(frame: &[u8], at: usize, extent: Extent) -> Result<Headers, Malformed> {
    let fixed = field::bytes(frame, at, HEADER_BYTES).ok_or(Malformed)?;
    let [version_ihl, ..] = *fixed else {
        return Err(Malformed);
    };
    let header = usize::from(version_ihl & 0x0f) * size_of::<u32>();
    let room = frame.len().saturating_sub(at);
    let length = match extent {
        Extent::Header => usize::from(field::read_u16(fixed, LENGTH_FIELD).ok_or(Malformed)?),
        Extent::Frame => room,
    };
    if version_ihl >> 4 != 4 || header < HEADER_BYTES || header > length || length > room {
        return Err(Malformed);
    }
    if field::read_u16(fixed, 6).ok_or(Malformed)? & FRAGMENT_MASK != 0 {
        return Ok(Headers::Other(Kind::Fragment));
    }
    let packet = IpPacket {
        ip: Ip::V4,
        ip_at: at,
        payload_at: at + header,
        end: at + length,
        protocol: *fixed.get(9).ok_or(Malformed)?,
    };
    transport(frame, packet, extent)
}
