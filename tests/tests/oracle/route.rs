//! Extension headers, source routes and fragments: where a transport header is
//! not what follows the IP header, or its pseudo-header's destination not the
//! one in it.

use tests::Random;

use crate::packet::{Ip, Packet};

/// Numbers of extension headers (RFC 8200 section 4).
pub(crate) const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
pub(crate) const DESTINATION_OPTIONS: u8 = 60;
const FRAGMENT: u8 = 44;

/// An options header of nothing but a PadN (RFC 8200 section 4.2).
pub(crate) fn padding(random: &mut Random) -> Vec<u8> {
    let units = random.pick(&[1, 1, 2, 31]);
    let mut header = vec![0; 8 * units];
    header[1] = (units - 1) as u8;
    header[2] = 1;
    header[3] = (8 * units - 4) as u8;
    header
}

/// Now and then, a routing header, and more destination options behind it.
pub(crate) fn route(packet: &mut Packet, random: &mut Random) {
    let Ip::V6 { extensions, .. } = &mut packet.ip else {
        return;
    };
    if !random.once_in(6) {
        return;
    }
    let kind = random.pick(&[0, 2, 4]);
    let addresses = if kind == 2 { 1 } else { random.between(1, 3) };
    let segments_left = random.between(0, addresses);
    let mut header = vec![0, 2 * addresses as u8, kind, segments_left as u8];
    header.extend([(addresses - 1) as u8, 0, 0, 0]);
    header.extend(random.bytes(16 * addresses));
    if segments_left > 0 {
        // RFC 8754 lists the segments in reverse.
        let last = if kind == 4 { 0 } else { addresses - 1 };
        packet.final_destination = Some(header[8 + 16 * last..][..16].to_vec());
    }
    extensions.push((ROUTING, header));
    if random.once_in(3) {
        extensions.push((DESTINATION_OPTIONS, padding(random)));
    }
}

/// Routes that podtap cannot follow, which a super-frame need not.
pub(crate) fn any_route(packet: &mut Packet, random: &mut Random) {
    match &mut packet.ip {
        Ip::V4 { options, .. } if random.once_in(8) => {
            *options = vec![131, 7, 4, 192, 0, 2, 1, 0];
            packet.final_destination = Some(vec![192, 0, 2, 1]);
        }
        Ip::V6 { extensions, .. } => {
            for (number, header) in extensions {
                if *number == ROUTING && random.once_in(4) {
                    header[2] = random.pick(&[1, 3, 253]);
                }
            }
        }
        Ip::V4 { .. } => {}
    }
}

/// Makes a fragment of it, the first one or a later one.
pub(crate) fn make_fragment(packet: &mut Packet, random: &mut Random) {
    let offset_flags = random.pick(&[0x0001_u16, 0x0081, 0x0080, 0x1ff8]);
    match &mut packet.ip {
        Ip::V4 { fragment, .. } => {
            // More fragments, or an offset in units of eight bytes.
            *fragment = (offset_flags & 1) << 13 | offset_flags >> 3;
        }
        Ip::V6 { extensions, .. } => {
            let mut header = vec![0, 0];
            header.extend(offset_flags.to_be_bytes());
            header.extend(random.bytes(4));
            extensions.push((FRAGMENT, header));
        }
    }
}
