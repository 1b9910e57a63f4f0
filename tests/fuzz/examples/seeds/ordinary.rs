//! Packets that are one on the wire, and such as nobody should make.

use crate::{packet::Packet, seed::Seed};

pub fn ordinary() -> Vec<Seed> {
    let tcp4 = Packet::new(true, false, 40);
    let udp6 = Packet::new(false, true, 5);
    let mut seeds = vec![
        Seed::new("tcp4", tcp4.build(false)),
        Seed::partial("tcp4-partial", &tcp4),
        Seed::new("udp6", udp6.build(false)),
        Seed::partial("udp6-partial", &udp6),
        Seed {
            tag: Some((0x8100, 0)),
            ..Seed::partial("tcp4-tag-beside", &tcp4)
        },
        Seed::new("padded", {
            let mut frame = Packet::new(false, false, 1).build(false);
            frame.resize(60, 0x55);
            frame
        }),
    ];
    let mut double = Packet::new(false, true, 9);
    double.tags = vec![(0x88a8, 0x6007), (0x8100, 42)];
    seeds.push(Seed::new("udp6-qinq", double.build(false)));
    let mut fragment = tcp4.build(false);
    fragment[20] = 0x20;
    seeds.push(Seed::new("ipv4-fragment", fragment));
    let mut fragment = Packet::new(false, true, 64);
    fragment.extensions = vec![(44, vec![0, 0, 0, 1, 0, 0, 0, 5])];
    seeds.push(Seed::new("ipv6-fragment", fragment.build(false)));
    for (name, number) in [("icmp", 1), ("gre", 47), ("sctp", 132)] {
        let mut frame = tcp4.build(false);
        frame[23] = number;
        seeds.push(Seed::new(name, frame));
    }
    seeds.push(Seed::partial("", &tcp4).bare("bare4-partial"));
    seeds.push(Seed::new("", udp6.build(false)).bare("bare6"));
    for (name, v6) in [("sctp4-partial", false), ("sctp6-partial", true)] {
        let packet = Packet::new(true, v6, 40);
        let mut frame = packet.build(false);
        let at = packet.transport_at();
        frame[if v6 { 20 } else { 23 }] = 132;
        // The length of its header, and a DATA chunk.
        frame.drain(at + 12..at + 28);
        frame[at + 8..at + 12].fill(0);
        let length = (frame.len() - if v6 { 54 } else { 14 }) as u16;
        let field = if v6 { 18 } else { 16 };
        frame[field..field + 2].copy_from_slice(&length.to_be_bytes());
        let mut seed = Seed::new(name, frame);
        seed.partial = Some((at as u16, 8));
        let unasked = Seed::new("", seed.frame.clone()).unasked(if v6 {
            "sctp6-unasked"
        } else {
            "sctp4-unasked"
        });
        seeds.extend([seed, unasked]);
    }
    let mut icmpv6 = udp6.build(false);
    icmpv6[20] = 58;
    seeds.push(Seed::new("icmpv6", icmpv6));
    for (name, ether_type) in [("arp", 0x0806_u16), ("lldp", 0x88cc), ("stp", 38)] {
        let mut frame = vec![0x11; 60];
        frame[12..14].copy_from_slice(&ether_type.to_be_bytes());
        seeds.push(Seed::new(name, frame));
    }
    seeds
}

pub fn malformed() -> Vec<Seed> {
    let changed = |tcp: bool, v6: bool, at: usize, value: u8| {
        let mut frame = Packet::new(tcp, v6, 20).build(true);
        frame[at] = value;
        frame
    };
    vec![
        Seed::new("bad-runt", vec![0x22; 10]),
        Seed::new("bad-ihl", changed(true, false, 14, 0x44)),
        Seed::new("bad-version", changed(true, true, 14, 0x40)),
        Seed::new("bad-ipv4-length", changed(true, false, 16, 0xff)),
        Seed::new("bad-ipv6-length", changed(true, true, 18, 0xff)),
        Seed::new("bad-data-offset", changed(true, false, 46, 0xf0)),
        Seed::new("bad-udp-length", changed(false, false, 39, 7)),
        Seed {
            gso_size: 8,
            ..Seed::new("bad-super-data-offset", changed(true, false, 46, 0xf0))
        },
        Seed {
            gso_size: 1,
            ..Seed::new("gso-of-arp", changed(true, false, 13, 6))
        },
        Seed {
            missing: 1,
            ..Seed::new("bad-truncated", changed(true, false, 0, 2))
        },
    ]
}
