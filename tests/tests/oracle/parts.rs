//! Draws the parts of a packet.

use tests::Random;

use crate::{
    packet::{Field, Ip, Packet, Transport},
    route::{DESTINATION_OPTIONS, HOP_BY_HOP, padding, route},
};

const FLAGS_ALL: u16 = 0x0fff;
const FLAGS_USUAL: [u16; 12] = [
    0x010, 0x018, 0x011, 0x019, 0x090, 0x098, 0x0d8, 0x050, 0x030, 0x1d9, 0x002, 0x004,
];
/// A packet without a payload.
pub(crate) fn packet(random: &mut Random, transport: Transport) -> Packet {
    let tags = match random.between(0, 5) {
        0 => vec![[random.pick(&[0x8100, 0x88a8]), random.word16()]],
        1 => vec![
            [0x88a8, random.pick16(&[0, 1])],
            [0x8100, random.pick16(&[0, 0x2fff])],
        ],
        _ => Vec::new(),
    };
    let ip = random.pick(&[ipv4, ipv6])(random);
    let mut packet = Packet {
        macs: macs(random),
        tags,
        ip,
        transport,
        payload: Vec::new(),
        trailer: Vec::new(),
        ip_length: None,
        final_destination: None,
    };
    route(&mut packet, random);
    packet
}

/// Two locally administered addresses of single hosts.
pub(crate) fn macs(random: &mut Random) -> [u8; 12] {
    let mut macs = [2; 12];
    macs[1..6].copy_from_slice(&random.bytes(5));
    macs[7..].copy_from_slice(&random.bytes(5));
    macs
}

pub(crate) fn tcp(random: &mut Random) -> Transport {
    let words = random.pick(&[0, 0, 3, 3, 10]);
    Transport::Tcp {
        ports: random.word32(),
        // Some that wrap within the super-frame.
        sequence: random.pick(&[random.clone().word32(), 0xffff_f000, u32::MAX, 0]),
        acknowledged: random.word32(),
        flags: random.pick16(&FLAGS_USUAL) & FLAGS_ALL,
        window: random.word16(),
        urgent: random.pick16(&[0]),
        options: random.bytes(4 * words),
    }
}

pub(crate) fn udp(random: &mut Random) -> Transport {
    // Away from the ports of tunnels, whose super-frames mean something else.
    let ports = random.word32() & 0xffff_00ff | 0x2000;
    Transport::Udp {
        ports,
        length: None,
    }
}

pub(crate) fn ipv4(random: &mut Random) -> Ip {
    let words = random.pick(&[0, 0, 0, 1, 3, 10]);
    // No operation, record route (RFC 791), and a router alert (RFC 2113).
    let mut options = random
        .pick(&[&[1_u8; 40][..], &[7, 39, 4], &[148, 4, 0, 0]])
        .to_vec();
    options.resize(4 * words, 0);
    Ip::V4 {
        tos: random.word16() as u8,
        id: random.pick16(&[0, 1, 0xfff0, 0xffff]),
        // Don't fragment, or not; the reserved bit too.
        fragment: random.pick(&[0x4000, 0x4000, 0, 0x8000]),
        ttl: random.pick(&[64, 1, 255]),
        wrong_by: if random.once_in(16) {
            random.word16()
        } else {
            0
        },
        addresses: random.bytes(8),
        options,
    }
}

fn ipv6(random: &mut Random) -> Ip {
    let mut extensions = Vec::new();
    if random.once_in(6) {
        extensions.push((HOP_BY_HOP, padding(random)));
    }
    if random.once_in(6) {
        extensions.push((DESTINATION_OPTIONS, padding(random)));
    }
    Ip::V6 {
        flow: random.word32(),
        hop_limit: random.pick(&[64, 1, 255]),
        addresses: random.bytes(32),
        extensions,
    }
}

/// What an IP length counts beside the payload.
pub(crate) fn headers_len(packet: &Packet) -> usize {
    let (_, at) = packet.build(Field::Partial);
    at.payload - at.ip
}
