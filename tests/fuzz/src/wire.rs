//! What a packet must be on the wire, computed apart from the engine.

use crate::{
    checksum::folded,
    engine::headers::{Ip, Protocol, Transport},
};

/// The big-endian field at `at`.
pub fn field(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

/// Panics unless the IP header at `at` describes the packet that goes to the
/// end of these bytes, and its checksum holds if it has one.
pub fn ip_holds(packet: &[u8], at: usize) {
    let len = packet.len() - at;
    if packet[at] >> 4 == 4 {
        let header = usize::from(packet[at] & 0x0f) * 4;
        assert_eq!(usize::from(field(packet, at + 2)), len, "{packet:02x?}");
        let sum = folded(&[&packet[at..at + header]]);
        assert_eq!(sum, 0xffff, "IPv4 at {at} of {packet:02x?}");
    } else {
        let length = usize::from(field(packet, at + 4));
        assert_eq!(length, len - 40, "IPv6 at {at} of {packet:02x?}");
    }
}

/// Whether a checksum field holds what the kernel leaves to be completed,
/// where the length of its pseudo-header is `length`.
pub fn is_partial(packet: &[u8], transport: &Transport, length: usize) -> bool {
    pseudo_header(packet, transport, length)
        .is_some_and(|header| folded(&[&header]) == field(packet, transport.checksum_at()))
}

/// Whether the sum of a packet with its pseudo-header is right.
pub fn is_complete(packet: &[u8], transport: &Transport) -> bool {
    let covered = &packet[transport.transport_at..transport.end];
    pseudo_header(packet, transport, covered.len())
        .is_some_and(|header| folded(&[&header, covered]) == 0xffff)
}

/// Whether the final destination is the one in the IP header.
pub fn is_direct(transport: &Transport) -> bool {
    match transport.ip {
        Ip::V4 => true,
        Ip::V6(v6) => v6.final_destination_at == Some(transport.ip_at + 24),
    }
}

/// RFC 9293 section 3.1 and RFC 8200 section 8.1: addresses, length and
/// protocol; `None` where the packet does not tell its destination.
fn pseudo_header(packet: &[u8], transport: &Transport, length: usize) -> Option<Vec<u8>> {
    let ip = transport.ip_at;
    let addresses = match transport.ip {
        Ip::V4 => packet[ip + 12..ip + 20].to_vec(),
        Ip::V6(v6) => {
            let destination = v6.final_destination_at?;
            [
                &packet[ip + 8..ip + 24],
                &packet[destination..destination + 16],
            ]
            .concat()
        }
    };
    let protocol: u32 = match transport.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    };
    Some(
        [
            &addresses[..],
            &(length as u32).to_be_bytes(),
            &protocol.to_be_bytes(),
        ]
        .concat(),
    )
}

/// CRC32c, bit by bit: RFC 9260 appendix A, the polynomial 0x1edc6f41
/// reflected.
pub fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}
