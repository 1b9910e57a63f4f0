//! Packets that pass as they are, but for a checksum.

use tests::Random;

use crate::{
    aim::aim,
    case::{Case, IP_LENGTH_MAX, partial},
    kind::Kind,
    packet::{Field, Packet, Transport},
    parts,
    route::{any_route, make_fragment},
    vnet::VnetHeader,
};

/// One of the kinds that a packet of IP can be.
pub(crate) fn ordinary(random: &mut Random, kind: Kind) -> Case {
    let transport = match kind {
        Kind::Without => parts::udp(random),
        Kind::OtherIp => Transport::Other(random.pick(&[1, 2, 4, 41, 47, 50, 58, 132, 255])),
        _ => random.pick(&[parts::tcp, parts::udp])(random),
    };
    let mut packet = parts::packet(random, transport);
    if kind == Kind::PartialAnyhow {
        any_route(&mut packet, random);
    }
    if kind == Kind::Without {
        packet.ip = parts::ipv4(random);
        packet.final_destination = None;
    }
    if kind == Kind::Fragment {
        make_fragment(&mut packet, random);
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
        Kind::PartialAnyhow => Field::Value(random.pick16(&[0, 0xffff, pseudo, !pseudo])),
        // Wrong, unless it is right by chance as well.
        Kind::CorruptByChance => Field::Partial,
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
            Kind::Partial => aim(&mut packet, 0xffff),
            // A right checksum that looks like a partial one.
            Kind::Complete => aim(&mut packet, !pseudo),
            _ => {}
        }
    }
    let (frame, mut at) = packet.build(field);
    if kind == Kind::PartialAnyhow && random.once_in(2) && frame.len() > at.transport + 8 {
        // Anywhere in the packet, at any distance.
        at.transport = random.between(at.transport, frame.len() - 2);
        at.checksum = random.between(0, (frame.len() - 2 - at.transport).min(100));
    }
    if kind == Kind::PartialAnyhow {
        let header = partial(at, VnetHeader::default());
        return Case {
            kind,
            header,
            frame,
        };
    }
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

/// An ordinary payload.
fn fill(packet: &mut Packet, random: &mut Random) {
    let room = IP_LENGTH_MAX - parts::headers_len(packet) - 64;
    let most = random.pick(&[0, 40, 1460, 9000, room]);
    let len = random.between(0, most);
    packet.payload = random.bytes(len);
}
