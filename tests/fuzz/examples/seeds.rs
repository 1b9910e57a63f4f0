//! Writes the corpus that fuzzing begins with: packets as Linux makes them,
//! and a few as nobody should.
//!
//! `cargo run --example seeds` in this folder; what is there by the same names
//! is written anew, what fuzzing found is left alone.

use std::{fs, io, path::Path};

use bytes::{BufMut as _, BytesMut};

/// Offset of the checksum field.
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

fn main() -> io::Result<()> {
    let seeds = seeds();
    for seed in &seeds {
        write("headers", seed.name, &seed.frame)?;
        write("segment", seed.name, &seed.record())?;
    }
    for seed in seeds.iter().filter(|seed| seed.frame.len() < 200) {
        write("decode", seed.name, &seed.record())?;
    }
    write("decode", "nothing", &[])?;
    write("decode", "zeros", &[0; 64])?;
    sums()?;
    captures()
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

/// One packet, and what its record's header says of it.
struct Seed {
    name: &'static str,
    frame: Vec<u8>,
    gso_size: u32,
    /// `enum` in include/linux/skbuff.h `SKB_GSO_TCPV4` and on.
    gso_type: u32,
    /// EtherType and TCI of a tag beside the packet.
    tag: Option<(u16, u16)>,
    /// `csum_start` and `csum_offset` of a partial checksum.
    partial: Option<(u16, u16)>,
    inner_network_at: u16,
    /// Bytes of the skb that the record lacks.
    missing: u32,
}

impl Seed {
    fn new(name: &'static str, frame: Vec<u8>) -> Self {
        Self {
            name,
            frame,
            gso_size: 0,
            gso_type: 0,
            tag: None,
            partial: None,
            inner_network_at: 0,
            missing: 0,
        }
    }

    /// A packet whose checksum the kernel left to the device.
    fn partial(name: &'static str, packet: &Packet) -> Self {
        let mut seed = Self::new(name, packet.build(true));
        let field = if packet.tcp {
            TCP_CHECKSUM
        } else {
            UDP_CHECKSUM
        };
        seed.partial = Some((packet.transport_at() as u16, field as u16));
        seed
    }

    fn super_frame(name: &'static str, packet: &Packet, gso_size: u32) -> Self {
        let gso_type = match (packet.tcp, packet.v6) {
            (true, false) => 1 << 0,
            (true, true) => 1 << 4,
            (false, _) => 1 << 17,
        };
        Self {
            gso_size,
            gso_type,
            ..Self::partial(name, packet)
        }
    }

    /// The layout is that of `src/record.rs`.
    fn record(&self) -> Vec<u8> {
        let (proto, tci) = self.tag.unwrap_or_default();
        let (start, offset) = self.partial.unwrap_or_default();
        let mut input = Vec::new();
        input.put_u32_le(self.gso_size);
        input.put_u32_le(self.gso_type);
        input.put_u16_le(proto);
        input.put_u16_le(tci);
        input.put_u8(self.tag.is_some().into());
        input.put_u8(1);
        input.put_u16_le(start);
        input.put_u16_le(offset);
        input.put_u16_le(self.inner_network_at);
        // CHECKSUM_PARTIAL, or CHECKSUM_NONE.
        input.put_u8(if self.partial.is_some() { 3 } else { 0 });
        // All fields are known.
        input.put_u8(7);
        input.put_bytes(0, 6);
        input.put_u32_le(self.missing);
        input.extend_from_slice(&self.frame);
        input
    }
}

/// A TCP or UDP packet from one made-up host to another.
#[derive(Clone, Debug)]
struct Packet {
    tcp: bool,
    v6: bool,
    /// Tags in the frame, EtherType and TCI.
    tags: Vec<(u16, u16)>,
    /// IPv6 extension headers, each with the number of its kind.
    extensions: Vec<(u8, Vec<u8>)>,
    destination_port: u16,
    payload: Vec<u8>,
}

impl Packet {
    fn new(tcp: bool, v6: bool, payload_len: usize) -> Self {
        Self {
            tcp,
            v6,
            tags: Vec::new(),
            extensions: Vec::new(),
            destination_port: 7_777,
            payload: (0..payload_len).map(|at| (at / 16) as u8).collect(),
        }
    }

    fn ip_at(&self) -> usize {
        14 + 4 * self.tags.len()
    }

    fn transport_at(&self) -> usize {
        let extensions: usize = self.extensions.iter().map(|(_, header)| header.len()).sum();
        self.ip_at() + if self.v6 { 40 + extensions } else { 20 }
    }

    /// The frame, its checksum valid or as `CHECKSUM_PARTIAL` leaves it. A
    /// length that no field can hold is 0, as BIG TCP has it.
    fn build(&self, partial: bool) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for (proto, tci) in &self.tags {
            frame.put_u16(*proto);
            frame.put_u16(*tci);
        }
        let number = if self.tcp { 6 } else { 17 };
        let transport = self.transport();
        let pseudo = transport.len() as u64 + u64::from(number);
        let addresses = if self.v6 {
            frame.put_u16(0x86dd);
            let numbers: Vec<_> = self.extensions.iter().map(|(number, _)| *number).collect();
            let following = numbers.iter().skip(1).copied().chain([number]);
            let mut extensions = Vec::new();
            for ((_, header), next) in self.extensions.iter().zip(following) {
                extensions.put_u8(next);
                extensions.extend_from_slice(&header[1..]);
            }
            frame.put_u32(0x6000_0000);
            frame.put_u16(u16::try_from(extensions.len() + transport.len()).unwrap_or(0));
            frame.put_u8(numbers.first().copied().unwrap_or(number));
            frame.put_u8(64);
            let addresses = [[0xfd; 16], [0xfc; 16]].concat();
            frame.extend_from_slice(&addresses);
            frame.extend_from_slice(&extensions);
            addresses
        } else {
            frame.put_u16(0x0800);
            let mut header = vec![0x45, 0];
            header.put_u16(u16::try_from(20 + transport.len()).unwrap_or(0));
            header.extend_from_slice(&[0x12, 0x34, 0x40, 0, 64, number, 0, 0]);
            let addresses = vec![10, 99, 0, 1, 10, 99, 0, 2];
            header.extend_from_slice(&addresses);
            let checksum = !folded(&header, 0);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            frame.extend_from_slice(&header);
            addresses
        };
        let at = frame.len();
        frame.extend_from_slice(&transport);
        let field = at + if self.tcp { TCP_CHECKSUM } else { UDP_CHECKSUM };
        let pseudo = u64::from(folded(&addresses, pseudo));
        let checksum = if partial {
            pseudo as u16
        } else {
            !folded(&frame[at..], pseudo)
        };
        frame[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
        frame
    }

    /// From the transport header on, the checksum 0.
    fn transport(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_u16(40_000);
        bytes.put_u16(self.destination_port);
        if self.tcp {
            bytes.put_u32(0xffff_ff00);
            bytes.put_u32(0x0a0b_0c0d);
            // Eight words, CWR, ACK, PSH and FIN.
            bytes.put_u16(8 << 12 | 0x99);
            bytes.put_u16(512);
            bytes.put_u32(0);
            // Two no-operations and a timestamp.
            bytes.extend_from_slice(&[1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 6]);
        } else {
            bytes.put_u16(u16::try_from(8 + self.payload.len()).unwrap_or(0));
            bytes.put_u16(0);
        }
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

/// RFC 1071 section 4.1, not inverted.
fn folded(bytes: &[u8], start: u64) -> u16 {
    let mut sum = start;
    for word in bytes.chunks(2) {
        let low = word.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_be_bytes([word[0], low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn seeds() -> Vec<Seed> {
    let mut seeds = super_frames();
    seeds.extend(ordinary());
    seeds.extend(malformed());
    seeds
}

fn super_frames() -> Vec<Seed> {
    let mut seeds = vec![
        Seed::super_frame("tcp4-super", &Packet::new(true, false, 3_100), 1_000),
        Seed::super_frame("tcp6-super", &Packet::new(true, true, 3_000), 1_000),
        Seed::super_frame("tcp4-single", &Packet::new(true, false, 100), 1_000),
        Seed::super_frame("uso4", &Packet::new(false, false, 3_007), 1_200),
        Seed::super_frame("uso6", &Packet::new(false, true, 2_400), 1_200),
        Seed::super_frame("tcp4-longest", &Packet::new(true, false, 65_483), 1_448),
        // BIG TCP, and no IP length for a part of it.
        Seed::super_frame("tcp4-big", &Packet::new(true, false, 66_500), 1_448),
        Seed::super_frame("tcp6-big-parts", &Packet::new(true, true, 66_500), 65_600),
    ];
    let mut tagged = Packet::new(true, false, 500);
    tagged.tags = vec![(0x8100, 42)];
    seeds.push(Seed {
        tag: Some((0x88a8, 7)),
        ..Seed::super_frame("tcp4-super-two-tags", &tagged, 200)
    });
    let mut routed = Packet::new(true, true, 700);
    routed.extensions = vec![
        // A PadN option; a segment routing header with one address to go.
        (0, vec![0, 0, 1, 4, 0, 0, 0, 0]),
        (43, [&[0, 2, 4, 1, 0, 0, 0, 0][..], &[0xfc; 16]].concat()),
    ];
    seeds.push(Seed::super_frame("tcp6-super-extensions", &routed, 300));
    let mut big = Packet::new(true, true, 900);
    // RFC 2675 section 2, and the length that Linux leaves 0 beside it.
    big.extensions = vec![(0, vec![0, 0, 0xc2, 4, 0, 0, 4, 0])];
    let mut big = Seed::super_frame("tcp6-big-jumbo", &big, 400);
    big.frame[18..20].copy_from_slice(&[0, 0]);
    seeds.push(big);
    let mut big = Seed::super_frame("tcp4-big-length-0", &Packet::new(true, false, 900), 400);
    big.frame[16..18].copy_from_slice(&[0, 0]);
    seeds.push(big);

    let inner = Packet::new(true, false, 900);
    let mut vxlan = Packet::new(false, false, 0);
    vxlan.destination_port = 4789;
    vxlan.payload = [&[8, 0, 0, 0, 0, 0, 9, 0][..], &inner.build(true)].concat();
    seeds.push(Seed {
        // SKB_GSO_UDP_TUNNEL beside SKB_GSO_TCPV4.
        gso_type: 1 << 0 | 1 << 10,
        partial: Some((14 + 20 + 8 + 8 + 14 + 20, TCP_CHECKSUM as u16)),
        inner_network_at: 14 + 20 + 8 + 8 + 14,
        ..Seed::super_frame("vxlan-super", &vxlan, 300)
    });
    seeds
}

fn ordinary() -> Vec<Seed> {
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

fn malformed() -> Vec<Seed> {
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

fn sums() -> io::Result<()> {
    let cut = [9, 0, 33, 0];
    // RFC 1071 section 3.
    let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    let odd: Vec<u8> = (0..=200).collect();
    for (name, bytes) in [
        ("rfc-1071", &example[..]),
        ("odd", &odd),
        ("ones", &[0xff; 99]),
        ("zeros", &[0; 70]),
    ] {
        write("checksum", name, &[&cut[..], bytes].concat())?;
    }
    Ok(())
}

fn captures() -> io::Result<()> {
    let frame = Packet::new(true, false, 40).build(false);
    for (name, snaplen, text, packets) in [
        ("whole", 0, "shop/web/eth0", 2),
        ("snaplen", 50, "größer", 3),
        ("empty", 0, "", 0),
    ] {
        let mut input = BytesMut::new();
        input.put_u16_le(snaplen);
        for text in [text, "a pod"] {
            input.put_u16_le(text.len() as u16);
            input.put_slice(text.as_bytes());
        }
        for packet in 0..packets {
            // A head of 14 bytes, in turns sent and received.
            input.put_u8((14 << 1) | (packet % 2));
            input.put_u64_le(1_700_000_000_123_456_789 + u64::from(packet));
            input.put_u16_le(frame.len() as u16);
            input.put_slice(&frame);
        }
        write("pcapng", name, &input)?;
    }
    Ok(())
}
