//! Writes the corpus that fuzzing begins with: packets as Linux makes them,
//! and a few as nobody should.
//!
//! `cargo run --example seeds` in this folder; what is there by the same names
//! is written anew, what fuzzing found is left alone.

use std::{fs, io, path::Path};

use bytes::{BufMut as _, BytesMut};

const ETHERNET_BYTES: usize = 14;
/// Offset of the checksum field.
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

fn main() -> io::Result<()> {
    let seeds = seeds();
    for seed in &seeds {
        if seed.bare_ip.is_none() && !seed.jumbo && !seed.unasked {
            write("headers", seed.name, &seed.frame)?;
        }
        write("segment", seed.name, &seed.record())?;
    }
    for seed in seeds.iter().filter(|seed| seed.frame.len() < 200) {
        write("decode", seed.name, &seed.record())?;
    }
    write("decode", "nothing", &[])?;
    write("decode", "zeros", &[0; 64])?;
    second_views(&seeds)?;
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
    /// The EtherType of a packet that begins with its IP header.
    bare_ip: Option<u16>,
    /// Whether to cut into jumbo frames.
    jumbo: bool,
    /// Whether the kernel could not be asked.
    unasked: bool,
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
            bare_ip: None,
            jumbo: false,
            unasked: false,
        }
    }

    /// The same packet from a device without a link layer.
    fn bare(self, name: &'static str) -> Self {
        let ether_type = u16::from_be_bytes([self.frame[12], self.frame[13]]);
        Self {
            name,
            bare_ip: Some(ether_type),
            frame: self.frame[ETHERNET_BYTES..].to_vec(),
            partial: self
                .partial
                .map(|(start, offset)| (start - ETHERNET_BYTES as u16, offset)),
            inner_network_at: self.inner_network_at.saturating_sub(ETHERNET_BYTES as u16),
            ..self
        }
    }

    /// The same record, to be cut into jumbo frames.
    fn jumbo(self, name: &'static str) -> Self {
        Self {
            name,
            jumbo: true,
            ..self
        }
    }

    /// The same record, of which only the packet is known.
    fn unasked(self, name: &'static str) -> Self {
        Self {
            name,
            unasked: true,
            ..self
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
        // All fields are known, or none.
        input.put_u8(if self.unasked { 0 } else { 7 });
        input.put_u8(self.bare_ip.is_some().into());
        input.put_u8(self.jumbo.into());
        input.put_u16_le(self.bare_ip.unwrap_or(0));
        input.put_u16_le(0);
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
    seeds.extend(malformed_tunnels());
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

    // Long enough that the kernel takes the header out.
    let mut jumbo = Packet::new(true, true, 66_000);
    jumbo.extensions = vec![(0, vec![0, 0, 0xc2, 4, 0, 1, 1, 0xf8])];
    let big = || Seed::super_frame("tcp6-big-removed", &jumbo, 1_428);
    seeds.push(big());
    seeds.push(big().jumbo("tcp6-big-removed-jumbo"));
    let long = Packet::new(true, false, 20_001);
    seeds.push(Seed::super_frame("", &long, 1_448).jumbo("tcp4-super-jumbo"));
    seeds.push(Seed::super_frame("", &long, 1_448).unasked("tcp4-super-unasked"));
    let datagrams = Packet::new(false, true, 3_000);
    seeds.push(Seed::super_frame("", &datagrams, 700).jumbo("uso6-jumbo"));
    for (name, tagged_name, v6) in [
        ("bare4-super", "bare4-super-tag-beside", false),
        ("bare6-super", "bare6-super-tag-beside", true),
    ] {
        let bare = || Seed::super_frame("", &Packet::new(true, v6, 900), 400).bare(name);
        seeds.push(bare());
        seeds.push(Seed {
            name: tagged_name,
            tag: Some((0x8100, 42)),
            ..bare()
        });
    }
    seeds.extend(tunnels());
    seeds
}

/// `SKB_GSO_*` of include/linux/skbuff.h in Linux 6.1.
const TCPV4: u32 = 1 << 0;
const TCPV6: u32 = 1 << 4;
const GRE: u32 = 1 << 6;
const GRE_CSUM: u32 = 1 << 7;
const IPXIP4: u32 = 1 << 8;
const IPXIP6: u32 = 1 << 9;
const UDP_TUNNEL: u32 = 1 << 10;
const UDP_TUNNEL_CSUM: u32 = 1 << 11;

/// Super-frames in tunnels, as the kernel leaves them: with the inner checksum
/// partial, and the sum of the pseudo-header in the outer one.
fn tunnels() -> Vec<Seed> {
    let inner4 = Packet::new(true, false, 900);
    let inner6 = Packet::new(true, true, 800);
    let vxlan = |inner: &Packet| [&[8, 0, 0, 0, 0, 0, 9, 0][..], &inner.build(true)].concat();
    let mut option = Vec::new();
    // Geneve with one option of four bytes, Ethernet inside.
    option.extend_from_slice(&[
        2, 0, 0x65, 0x58, 0, 0, 9, 0, 0x01, 0x02, 0x80, 1, 1, 2, 3, 4,
    ]);
    let geneve = [&option[..], &inner4.build(true)].concat();
    let mut seeds = vec![
        in_udp(
            "vxlan-super",
            false,
            4789,
            vxlan(&inner4),
            TCPV4 | UDP_TUNNEL,
        ),
        in_udp(
            "vxlan6-super-sum",
            true,
            4789,
            vxlan(&inner6),
            TCPV6 | UDP_TUNNEL_CSUM,
        ),
        in_udp(
            "vxlan-super-sum",
            false,
            8472,
            vxlan(&inner6),
            TCPV6 | UDP_TUNNEL_CSUM,
        ),
        in_udp(
            "geneve-super-sum",
            false,
            6081,
            geneve,
            TCPV4 | UDP_TUNNEL_CSUM,
        ),
    ];
    let packet = |inner: &Packet| inner.build(true)[ETHERNET_BYTES..].to_vec();
    let gre = |flags: u8, ether_type: u16, options: usize, inner: &[u8]| {
        let mut header = vec![flags, 0];
        header.put_u16(ether_type);
        header.put_bytes(0, options);
        [&header, inner].concat()
    };
    let bridged = gre(0x20, 0x6558, 4, &inner4.build(true));
    let summed = gre(0xa0, 0x0800, 8, &packet(&inner4));
    let plain = gre(0, 0x86dd, 0, &packet(&inner6));
    seeds.extend([
        in_ip("gre-super", false, 47, &plain, 4, TCPV6 | GRE),
        in_ip("gre6-super-sum", true, 47, &summed, 12, TCPV4 | GRE_CSUM),
        in_ip(
            "gretap-super",
            false,
            47,
            &bridged,
            8 + ETHERNET_BYTES,
            TCPV4 | GRE,
        ),
        in_ip("ipip-super", false, 4, &packet(&inner4), 0, TCPV4 | IPXIP4),
        in_ip("sit-super", false, 41, &packet(&inner6), 0, TCPV6 | IPXIP4),
        in_ip(
            "ip6ip6-super",
            true,
            41,
            &packet(&inner6),
            0,
            TCPV6 | IPXIP6,
        ),
        in_ip("", false, 4, &packet(&inner4), 0, TCPV4 | IPXIP4).bare("bare4-ipip-super"),
        in_ip("", false, 47, &summed, 12, TCPV4 | GRE_CSUM).unasked("gre-super-sum-unasked"),
        in_udp("", false, 4789, vxlan(&inner4), 0).unasked("vxlan-super-unasked"),
        Seed {
            gso_size: 1_400,
            ..in_udp(
                "",
                true,
                4789,
                vxlan(&Packet::new(true, false, 20_001)),
                TCPV4 | UDP_TUNNEL_CSUM,
            )
        }
        .jumbo("vxlan6-super-sum-jumbo"),
    ]);
    // One packet of the wire, and both of its checksums to be made.
    seeds.push(Seed {
        name: "vxlan-single-sum",
        gso_size: 1_400,
        ..in_udp("", false, 4789, vxlan(&inner4), TCPV4 | UDP_TUNNEL_CSUM)
    });
    seeds
}

/// In UDP; `inside` ends with the headers and the payload of a [`Packet`].
fn in_udp(name: &'static str, v6: bool, port: u16, inside: Vec<u8>, gso_type: u32) -> Seed {
    let has_sum = gso_type & UDP_TUNNEL_CSUM != 0;
    let mut outer = Packet::new(false, v6, 0);
    outer.destination_port = port;
    let options = if port == 6081 { 8 } else { 0 };
    outer.payload = inside;
    let mut frame = outer.build(true);
    if !has_sum {
        let at = outer.transport_at() + UDP_CHECKSUM;
        frame[at..at + 2].fill(0);
    }
    let network_at = outer.transport_at() + 8 + 8 + options + ETHERNET_BYTES;
    tunnel(name, frame, network_at, gso_type)
}

/// In IP or GRE, whose protocol number this is; the inner IP header begins
/// `header` bytes behind the outer one.
fn in_ip(
    name: &'static str,
    v6: bool,
    number: u8,
    inside: &[u8],
    header: usize,
    gso_type: u32,
) -> Seed {
    let outer = Packet::new(false, v6, 0);
    let network_at = outer.transport_at();
    let mut frame = outer.build(false)[..network_at].to_vec();
    let ip = outer.ip_at();
    if v6 {
        frame[ip + 4..ip + 6].copy_from_slice(&(inside.len() as u16).to_be_bytes());
        frame[ip + 6] = number;
    } else {
        let length = (20 + inside.len()) as u16;
        frame[ip + 2..ip + 4].copy_from_slice(&length.to_be_bytes());
        frame[ip + 9] = number;
        frame[ip + 10..ip + 12].fill(0);
        let checksum = !folded(&frame[ip..ip + 20], 0);
        frame[ip + 10..ip + 12].copy_from_slice(&checksum.to_be_bytes());
    }
    frame.extend_from_slice(inside);
    tunnel(name, frame, network_at + header, gso_type)
}

/// Tunnels that no kernel makes.
fn malformed_tunnels() -> Vec<Seed> {
    let inner = Packet::new(true, false, 900);
    let packet = inner.build(true)[ETHERNET_BYTES..].to_vec();
    // A checksum for which there is no room.
    let gre = [&[0x80, 0, 8, 0][..], &packet].concat();
    let sum = in_ip("bad-gre-no-room", false, 47, &gre, 4, TCPV4 | GRE_CSUM);
    // No more than one packet of the wire, without a length, and final.
    let mut short = inner.build(false);
    short[16..18].copy_from_slice(&[0, 0]);
    let inside = [&[8, 0, 0, 0, 0, 0, 9, 0][..], &short].concat();
    let single = Seed {
        gso_size: 1_400,
        partial: None,
        ..in_udp(
            "bad-vxlan-no-length",
            false,
            4789,
            inside,
            TCPV4 | UDP_TUNNEL_CSUM,
        )
    };
    vec![sum, single]
}

fn tunnel(name: &'static str, frame: Vec<u8>, network_at: usize, gso_type: u32) -> Seed {
    let header = if frame[network_at] >> 4 == 4 { 20 } else { 40 };
    let mut seed = Seed::new(name, frame);
    seed.gso_size = 300;
    seed.gso_type = gso_type;
    seed.inner_network_at = network_at as u16;
    seed.partial = Some(((network_at + header) as u16, TCP_CHECKSUM as u16));
    seed
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

/// The layout is that of `src/duplicates.rs`.
fn second_views(seeds: &[Seed]) -> io::Result<()> {
    const OUT: u8 = 1;
    const AGAIN: u8 = 2;
    /// A step of time, of which 16 are the window.
    const STEP: u8 = 1 << 3;
    let frame = |name: &str| {
        let seed = seeds.iter().find(|seed| seed.name == name);
        &seed.expect("a seed").frame[..]
    };
    let seen = |flags: u8, split: u8, frame: &[u8]| {
        let len = frame.len() as u8;
        [&[flags, split, len][..], &frame[..len.into()]].concat()
    };
    let (tcp4, udp6, qinq) = (frame("tcp4"), frame("udp6"), frame("udp6-qinq"));
    let mut group = tcp4.to_vec();
    group[0] |= 1;
    let mut hop = tcp4.to_vec();
    hop[22] -= 1;
    for (name, input) in [
        ("one", [seen(OUT, 54, tcp4), seen(STEP, 54, &hop)].concat()),
        (
            "retransmitted",
            [
                &seen(OUT, 255, udp6)[..],
                &[AGAIN | OUT, 14, AGAIN, 62, AGAIN, 14, AGAIN, 0],
            ]
            .concat(),
        ),
        (
            "late",
            [
                &seen(OUT, 54, tcp4)[..],
                &[
                    AGAIN | 15 * STEP,
                    54,
                    AGAIN | OUT,
                    54,
                    AGAIN | 16 * STEP,
                    54,
                ],
            ]
            .concat(),
        ),
        (
            "group",
            [&seen(OUT, 54, &group)[..], &[AGAIN, 54, AGAIN, 54]].concat(),
        ),
        // The tag put back, and nothing else rewritten.
        (
            "tag-put-back",
            [&seen(OUT, 16, qinq)[..], &[AGAIN, 16, AGAIN, 20]].concat(),
        ),
        (
            "arp",
            [&seen(OUT, 255, frame("arp"))[..], &[AGAIN, 0]].concat(),
        ),
        (
            "runt",
            [&seen(OUT, 255, &tcp4[..13])[..], &[AGAIN, 0]].concat(),
        ),
    ] {
        write("duplicates", name, &input)?;
    }
    Ok(())
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
