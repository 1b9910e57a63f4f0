//! Names the field of a frame that an offset lies in.

/// Fields by the offset at which each begins.
type Table = [(usize, &'static str)];

const IPV4: &Table = &[
    (0, "version and length"),
    (1, "TOS"),
    (2, "total length"),
    (4, "identification"),
    (6, "fragment offset"),
    (8, "TTL"),
    (9, "protocol"),
    (10, "header checksum"),
    (12, "addresses"),
    (20, "options"),
];
const IPV6: &Table = &[
    (0, "version, class, flow label"),
    (4, "payload length"),
    (6, "next header"),
    (7, "hop limit"),
    (8, "addresses"),
    (40, "extension headers"),
];
const TCP: &Table = &[
    (0, "ports"),
    (4, "sequence number"),
    (8, "acknowledgment"),
    (12, "data offset and flags"),
    (14, "window"),
    (16, "checksum"),
    (18, "urgent pointer"),
    (20, "options"),
];
const UDP: &Table = &[(0, "ports"), (4, "length"), (6, "checksum")];

/// The header and field at `offset` of a frame.
pub(crate) fn name(frame: &[u8], offset: usize) -> String {
    let byte = |at: usize| frame.get(at).copied().unwrap_or(0);
    let mut ip = 14;
    while matches!((byte(ip - 2), byte(ip - 1)), (0x81, 0) | (0x88, 0xa8)) {
        ip += 4;
    }
    if offset < ip {
        return "Ethernet".into();
    }
    let (version, table, mut protocol, mut transport) = match byte(ip) >> 4 {
        4 => (
            "IPv4",
            IPV4,
            byte(ip + 9),
            ip + usize::from(byte(ip) & 15) * 4,
        ),
        6 => ("IPv6", IPV6, byte(ip + 6), ip + 40),
        _ => return "no IP".into(),
    };
    while version == "IPv6" && matches!(protocol, 0 | 43 | 60) && transport < frame.len() {
        protocol = byte(transport);
        transport += (usize::from(byte(transport + 1)) + 1) * 8;
    }
    if offset < transport {
        return format!("{version} {}", within(table, offset - ip));
    }
    let (layer, table, payload) = match protocol {
        6 => (
            "TCP",
            TCP,
            transport + usize::from(byte(transport + 12) >> 4) * 4,
        ),
        17 => ("UDP", UDP, transport + 8),
        _ => return format!("{version} payload of protocol {protocol}"),
    };
    if offset < payload {
        format!("{layer} {}", within(table, offset - transport))
    } else {
        format!("{layer} payload byte {}", offset - payload)
    }
}

fn within(table: &Table, offset: usize) -> &'static str {
    table
        .iter()
        .rev()
        .find(|(begins, _)| *begins <= offset)
        .map_or("", |(_, name)| name)
}

/// Writes a TCP checksum of 0xffff as 0, which is the same in ones' complement.
/// The kernel's software makes the former of an ordinary packet and the latter
/// of a segment; GRO keeps neither.
pub(crate) fn one_zero(frame: &mut [u8]) {
    let at = match (frame[12], frame[13], frame[14] >> 4) {
        (0x08, 0x00, 4) if frame[23] == 6 => 34,
        (0x86, 0xdd, 6) if frame[20] == 6 => 54,
        _ => return,
    };
    let checksum = &mut frame[at + 16..at + 18];
    if checksum == [0xff, 0xff] {
        checksum.fill(0);
    }
}
