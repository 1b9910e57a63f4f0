//! Packets that the kernel has to cut.

use tests::Random;

use crate::{
    aim::aim_first,
    case::{Case, IP_LENGTH_MAX, partial},
    kind::Kind,
    packet::{Field, Transport},
    parts,
    route::any_route,
    vnet::{Gso, VnetHeader},
};

/// The most segments of one skb: a device's backlog holds 1,000 packets.
const MOST_SEGMENTS: usize = 900;
/// `UDP_MAX_SEGMENTS` (include/linux/udp.h).
const MOST_DATAGRAMS: usize = 128;

/// A super-frame of TCP or UDP.
pub(crate) fn super_frame(random: &mut Random, kind: Kind) -> Case {
    let is_tcp = kind != Kind::UdpSuperFrame;
    let transport = if is_tcp {
        parts::tcp(random)
    } else {
        parts::udp(random)
    };
    let mut packet = parts::packet(random, transport);
    any_route(&mut packet, random);
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
    if kind == Kind::TcpSuperFrameNotPartial {
        field = Field::Value(random.word16());
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
    let gso_size = gso_size as u16;
    if kind == Kind::TcpSuperFrameNotPartial {
        // The kernel looks for the header itself, where all of it is at hand.
        let header = VnetHeader {
            gso,
            gso_size,
            hdr_len: exact,
            ..VnetHeader::default()
        };
        return Case {
            kind,
            header,
            frame,
        };
    }
    let header = VnetHeader {
        gso,
        gso_size,
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
