//! Expressions out of a grammar, most of which libpcap takes.

use tests::Random;

/// The addresses and ports that packets have, so that expressions meet them.
pub(crate) const ADDRESSES: [[u8; 4]; 4] = [
    [10, 0, 0, 1],
    [10, 0, 0, 2],
    [192, 168, 7, 9],
    [224, 0, 0, 5],
];
pub(crate) const PORTS: [u16; 6] = [22, 53, 80, 443, 4789, 6081];
pub(crate) const VLANS: [u16; 3] = [0, 5, 100];

/// An expression with at most a few primitives.
pub(crate) fn any(random: &mut Random) -> String {
    let mut expression = String::new();
    // Their order says what follows them.
    for _ in 0..random.pick(&[0, 0, 0, 0, 1, 1, 2]) {
        expression += &format!("{} and ", random.pick(&["vlan", "vlan 5", "vlan 100"]));
    }
    expression + &term(random, 3)
}

fn term(random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.once_in(3) {
        return primitive(random);
    }
    let (left, right) = (term(random, depth - 1), term(random, depth - 1));
    match random.between(0, 5) {
        0 | 1 => format!("({left} and {right})"),
        2 | 3 => format!("({left} or {right})"),
        4 => format!("not ({left})"),
        _ => format!("({left}) and not ({right})"),
    }
}

fn primitive(random: &mut Random) -> String {
    match random.between(0, 11) {
        0 => {
            let side = random.pick(&["", "src ", "dst ", "src and dst "]);
            format!("{side}host {}", address(random))
        }
        1 => {
            let side = random.pick(&["", "src ", "dst "]);
            format!("{side}net {}", network(random))
        }
        2 | 3 => {
            let protocol = random.pick(&["", "tcp ", "udp ", "sctp "]);
            let side = random.pick(&["", "src ", "dst "]);
            format!("{protocol}{side}port {}", random.pick(&PORTS))
        }
        4 => {
            let from = random.between(0, 5000);
            let to = random.between(from, 65535);
            format!(
                "{}portrange {from}-{to}",
                random.pick(&["", "tcp ", "udp dst "])
            )
        }
        5 | 6 => random
            .pick(&[
                "ip",
                "ip6",
                "arp",
                "tcp",
                "udp",
                "icmp",
                "icmp6",
                "sctp",
                "ether multicast",
                "ether broadcast",
                "ip multicast",
                "ip6 multicast",
                "igmp",
                "esp",
            ])
            .to_owned(),
        7 => format!("ip6 host fd00::{:x}", random.between(1, 4)),
        8 => format!(
            "{} {}",
            random.pick(&["less", "greater"]),
            random.between(20, 300)
        ),
        9 => format!("ip proto {}", random.pick(&[1, 6, 17, 47, 50, 132])),
        _ => format!(
            "{} {} {}",
            arithmetic(random, 2),
            random.pick(&["=", "!=", "<", "<=", ">", ">="]),
            arithmetic(random, 1)
        ),
    }
}

fn address(random: &mut Random) -> String {
    let [a, b, c, d] = random.pick(&ADDRESSES);
    format!("{a}.{b}.{c}.{d}")
}

fn network(random: &mut Random) -> String {
    let address = u32::from_be_bytes(random.pick(&ADDRESSES));
    let bits = random.between(1, 32) as u32;
    let [a, b, c, d] = (address & (u32::MAX << (32 - bits))).to_be_bytes();
    format!("{a}.{b}.{c}.{d}/{bits}")
}

/// A number out of the packet, or a constant.
fn arithmetic(random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.once_in(3) {
        return match random.between(0, 4) {
            0 => random
                .pick(&[
                    0,
                    1,
                    2,
                    5,
                    31,
                    32,
                    33,
                    80,
                    255,
                    0x8000,
                    0xffff,
                    0xffff_ffff_u32,
                ])
                .to_string(),
            1 => "len".to_owned(),
            _ => access(random, depth),
        };
    }
    let left = arithmetic(random, depth - 1);
    match random.between(0, 9) {
        // By a register that may be 0.
        0 => format!("({left} / {})", arithmetic(random, depth - 1)),
        1 => format!("({left} % {})", arithmetic(random, depth - 1)),
        2 => format!("({left} << {})", access(random, 0)),
        3 => format!("({left} >> {})", random.between(0, 31)),
        4 => format!("(- {left})"),
        _ => {
            let operator = random.pick(&["+", "-", "*", "&", "|", "^"]);
            format!("({left} {operator} {})", arithmetic(random, depth - 1))
        }
    }
}

fn access(random: &mut Random, depth: usize) -> String {
    let protocol = random.pick(&[
        "ether", "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "sctp", "arp",
    ]);
    let size = random.pick(&["", ":1", ":2", ":4"]);
    // An index that is itself out of the packet, now and then.
    let index = if depth > 0 && random.once_in(4) {
        arithmetic(random, depth - 1)
    } else if random.once_in(20) {
        random.between(0, 70_000).to_string()
    } else {
        random.between(0, 44).to_string()
    };
    format!("{protocol}[{index}{size}]")
}
