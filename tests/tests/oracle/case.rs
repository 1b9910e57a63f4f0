//! One skb: its bytes, and what the kernel is told about it.
//!
//! # What is not generated
//! Where the record does not yet say what the sk_buff says, podtap goes by
//! value, and a sender can lie to it. Left out, since podtap's answer is known
//! to be another one than the kernel's:
//! - an ordinary packet that is said to be partial with another value in its
//!   field than the pseudo-header's sum, or with a route that hides the final
//!   destination (IPv4 source routes, IPv6 routing headers of unknown types),
//!   or with padding that is not zero: the kernel sums that too;
//! - a super-frame that is not said to be partial: the kernel makes its sums
//!   anew;
//! - a super-frame that accurate ECN sent, or whose IP ID is fixed;
//! - a super-frame that is no longer than one packet, or a fragment: the
//!   kernel drops both.

use crate::{
    packet::{At, FIN, Field, PSH, Packet, Transport},
    parts,
    random::Random,
    vnet::{Gso, NEEDS_CSUM, VnetHeader},
};

/// The most segments of one skb: a device's backlog holds 1,000 packets.
const MOST_SEGMENTS: usize = 900;
/// `UDP_MAX_SEGMENTS` (include/linux/udp.h).
const MOST_DATAGRAMS: usize = 128;
/// What 16 bits of IP length can say.
const IP_LENGTH_MAX: usize = 65_535;

/// What kind of skb a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    TcpSuperFrame,
    UdpSuperFrame,
    /// An ordinary packet with a partial checksum.
    Partial,
    /// Complete and right.
    Complete,
    /// Complete and wrong: it stays so.
    Corrupt,
    /// UDP over IPv4 without a checksum.
    Without,
    Fragment,
    /// Another protocol over IP.
    OtherIp,
    /// Anything behind an EtherType.
    Noise,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::TcpSuperFrame,
        Self::UdpSuperFrame,
        Self::Partial,
        Self::Complete,
        Self::Corrupt,
        Self::Without,
        Self::Fragment,
        Self::OtherIp,
        Self::Noise,
    ];

    fn any(random: &mut Random) -> Self {
        match random.between(0, 15) {
            0..=6 => Self::TcpSuperFrame,
            7..=9 => Self::UdpSuperFrame,
            10 | 11 => Self::Partial,
            12 => random.pick(&[Self::Complete, Self::Without]),
            13 => Self::Corrupt,
            14 => Self::Fragment,
            _ => random.pick(&[Self::OtherIp, Self::Noise]),
        }
    }
}

/// One skb.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) header: VnetHeader,
    pub(crate) frame: Vec<u8>,
}

impl Case {
    pub(crate) fn any(random: &mut Random) -> Self {
        let kind = Kind::any(random);
        match kind {
            Kind::TcpSuperFrame | Kind::UdpSuperFrame => super_frame(random, kind),
            Kind::Noise => Self::said_nothing(kind, parts::noise(random)),
            _ => ordinary(random, kind),
        }
    }

    fn said_nothing(kind: Kind, frame: Vec<u8>) -> Self {
        Self {
            kind,
            header: VnetHeader::default(),
            frame,
        }
    }
}

fn ordinary(random: &mut Random, kind: Kind) -> Case {
    let transport = match kind {
        Kind::Without => parts::udp(random),
        Kind::OtherIp => Transport::Other(random.pick(&[1, 2, 4, 41, 47, 50, 58, 132, 255])),
        _ => random.pick(&[parts::tcp, parts::udp])(random),
    };
    let mut packet = parts::packet(random, transport);
    if kind == Kind::Without {
        packet.ip = parts::ipv4(random);
        packet.final_destination = None;
    }
    if kind == Kind::Fragment {
        parts::make_fragment(&mut packet, random);
    }
    fill(&mut packet, random);
    if random.once_in(4) {
        // Ethernet pads to 60 bytes with zeroes, but not every driver does.
        let len = random.between(1, 46);
        let is_zero = kind == Kind::Partial || random.once_in(2);
        packet.trailer = if is_zero {
            vec![0; len]
        } else {
            random.bytes(len)
        };
    }
    let (pseudo, all) = packet.sums();
    let field = match kind {
        Kind::Partial => Field::Partial,
        Kind::Without => Field::Value(0),
        // A partial one is another kind.
        Kind::Corrupt => match random.pick16(&[0, 0xffff, !all ^ 1, !pseudo, all]) {
            value if value == pseudo || value == !all => Field::Right,
            value => Field::Value(value),
        },
        // A fragment is never completed, whatever it looks like.
        Kind::Fragment if random.once_in(2) => Field::Partial,
        _ => Field::Right,
    };
    if random.once_in(8) {
        match kind {
            // A sum that gives a checksum of 0.
            Kind::Partial => parts::aim(&mut packet, 0xffff),
            // A right checksum that looks like a partial one.
            Kind::Complete => parts::aim(&mut packet, !pseudo),
            _ => {}
        }
    }
    let (frame, at) = packet.build(field);
    if kind == Kind::Partial {
        let header = partial(at, VnetHeader::default());
        return Case {
            kind,
            header,
            frame,
        };
    }
    Case::said_nothing(kind, frame)
}

fn super_frame(random: &mut Random, kind: Kind) -> Case {
    let is_tcp = kind == Kind::TcpSuperFrame;
    let transport = if is_tcp {
        parts::tcp(random)
    } else {
        parts::udp(random)
    };
    let mut packet = parts::packet(random, transport);
    parts::any_route(&mut packet, random);
    // No device is told a longer MTU, and it allows for one tag.
    let tags_len = 4 * packet.tags.len();
    let room = IP_LENGTH_MAX - parts::headers_len(&packet) - tags_len;
    let len = random.pick(&[200, 3000, 20_000, room]);
    let len = random.between(2, len);
    packet.payload = random.bytes(len);
    let most = if is_tcp {
        MOST_SEGMENTS
    } else {
        MOST_DATAGRAMS
    };
    let least = len.div_ceil(most);
    let usual = random.pick(&[1460, 1448, 1428, 1400, 536, 8948, 100, len / 2, len - 1]);
    let gso_size = if random.once_in(3) {
        random.between(least, len - 1)
    } else {
        usual.clamp(least, len - 1)
    };
    if random.once_in(8) {
        aim_first(&mut packet, gso_size);
    }
    // The kernel cuts by `skb->len`, whatever the headers say.
    if random.once_in(8) {
        packet.ip_length = Some(random.pick16(&[0, 1, 0xffff]));
    }
    let mut field = Field::Partial;
    if let Transport::Udp { length, .. } = &mut packet.transport
        && random.once_in(8)
    {
        *length = Some(random.pick16(&[0, 8, (gso_size + 8) as u16, 0xffff]));
    }
    if random.once_in(16) {
        // Cut by the difference in length, what was wrong stays wrong.
        field = Field::Value(random.pick16(&[0, 1, 0xffff]));
    }
    let (frame, at) = packet.build(field);
    let exact = at.payload as u16;
    let gso = match (is_tcp, packet.is_v4(), random.once_in(2)) {
        (true, true, false) => Gso::TcpV4,
        (true, true, true) => Gso::TcpV4Ecn,
        (true, false, false) => Gso::TcpV6,
        (true, false, true) => Gso::TcpV6Ecn,
        (false, ..) => Gso::UdpL4,
    };
    let header = VnetHeader {
        gso,
        gso_size: gso_size as u16,
        hdr_len: random.pick(&[
            0,
            exact,
            exact,
            exact + 1,
            frame.len().min(IP_LENGTH_MAX) as u16,
        ]),
        ..partial(at, VnetHeader::default())
    };
    Case {
        kind,
        header,
        frame,
    }
}

/// Chooses a word of the payload so that the first segment's checksum is 0.
fn aim_first(packet: &mut Packet, gso_size: usize) {
    let mut first = packet.clone();
    first.payload.truncate(gso_size);
    if let Transport::Tcp { flags, .. } = &mut first.transport {
        *flags &= !(FIN | PSH);
    }
    parts::aim(&mut first, 0xffff);
    packet.payload[..gso_size].copy_from_slice(&first.payload);
}

fn partial(at: At, header: VnetHeader) -> VnetHeader {
    VnetHeader {
        flags: NEEDS_CSUM,
        csum_start: at.transport as u16,
        csum_offset: at.checksum as u16,
        ..header
    }
}

/// An ordinary payload.
fn fill(packet: &mut Packet, random: &mut Random) {
    let room = IP_LENGTH_MAX - parts::headers_len(packet) - 64;
    let most = random.pick(&[0, 40, 1460, 9000, room]);
    let len = random.between(0, most);
    packet.payload = random.bytes(len);
}
