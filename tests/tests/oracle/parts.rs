//! Draws the parts of a packet.

use crate::{
    packet::{Field, Ip, Packet, Transport},
    random::Random,
};

const FLAGS_ALL: u16 = 0x0fff;
const FLAGS_USUAL: [u16; 12] = [
    0x010, 0x018, 0x011, 0x019, 0x090, 0x098, 0x0d8, 0x050, 0x030, 0x1d9, 0x002, 0x004,
];
/// Hop-by-hop, routing, destination options.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION_OPTIONS: u8 = 60;

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
fn macs(random: &mut Random) -> [u8; 12] {
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

/// An options header of nothing but a PadN (RFC 8200 section 4.2).
fn padding(random: &mut Random) -> Vec<u8> {
    let units = random.pick(&[1, 1, 2, 31]);
    let mut header = vec![0; 8 * units];
    header[1] = (units - 1) as u8;
    header[2] = 1;
    header[3] = (8 * units - 4) as u8;
    header
}

/// Now and then, a routing header, and more destination options behind it.
fn route(packet: &mut Packet, random: &mut Random) {
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
            extensions.push((44, header));
        }
    }
}

/// Bytes behind an EtherType that say nothing sensible.
pub(crate) fn noise(random: &mut Random) -> Vec<u8> {
    let mut frame = macs(random).to_vec();
    // EtherTypes of IP, ARP, MPLS, an 802.3 length, and unknown ones.
    let ether_type: u16 = random.pick(&[0x0800, 0x86dd, 0x0806, 0x8847, 0x0030, 0x9100, 0xfffe]);
    frame.extend(ether_type.to_be_bytes());
    let len = random.between(0, 200);
    let mut rest = random.bytes(len);
    if let Some(first) = rest.first_mut()
        && random.once_in(2)
    {
        *first = random.pick(&[0x45, 0x4f, 0x60, 0x40, 0x55]);
    }
    frame.extend(rest);
    frame
}

/// What an IP length counts beside the payload.
pub(crate) fn headers_len(packet: &Packet) -> usize {
    let (_, at) = packet.build(Field::Partial);
    at.payload - at.ip
}

/// Chooses one word of the payload so that the datagram's sum is `wanted`. One
/// that has no whole word of payload stays as it is.
pub(crate) fn aim(packet: &mut Packet, wanted: u16) {
    let Some(word) = packet.payload.first_chunk_mut::<2>() else {
        return;
    };
    *word = [0, 0];
    let (_, sum) = packet.sums();
    // What is missing, in ones' complement.
    let missing = crate::sum::fold(u64::from(wanted) + u64::from(!sum));
    packet.payload[..2].copy_from_slice(&missing.to_be_bytes());
}
