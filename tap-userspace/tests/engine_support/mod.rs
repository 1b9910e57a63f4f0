//! Packets as senders and the kernel make them, built without the engine, and
//! frames read back with etherparse, which knows nothing of the engine either.

// Tests may panic; each test file uses a part of this.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod tunnel;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use proptest::collection::vec;
use proptest::prelude::*;
use tap_common::{Direction, LinkLayer};
use tap_userspace::engine::decode::{Record, VlanTag};
use tap_userspace::engine::framer::Framer;
use tap_userspace::engine::offload::SkbChecksum;
use tap_userspace::model::Segment;
use tap_userspace::model::TargetId;

pub const FIN: u16 = 0x01;
pub const PSH: u16 = 0x08;
pub const CWR: u16 = 0x80;
/// Where each checksum field lies in its header.
pub const TCP_CHECKSUM: usize = 16;
pub const UDP_CHECKSUM: usize = 6;

/// What the transport checksum field of a packet is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The folded pseudo-header sum, not inverted.
    Partial,
    /// What makes the packet valid.
    Valid,
    /// Just this.
    Value(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routing {
    pub kind: u8,
    pub segments_left: u8,
    pub addresses: u8,
}

/// One TCP or UDP packet.
#[derive(Clone, Debug)]
pub struct Packet {
    pub tcp: bool,
    pub v6: bool,
    /// Tags in the frame: EtherType and TCI.
    pub tags: Vec<(u16, u16)>,
    /// IPv4 options, in 32-bit words of no-operation.
    pub ip_option_words: u8,
    pub hop_by_hop: bool,
    pub destination_options: bool,
    pub routing: Option<Routing>,
    pub tcp_option_words: u8,
    pub flags: u16,
    pub sequence: u32,
    pub id: u16,
    pub source: [u8; 16],
    pub destination: [u8; 16],
    pub source_port: u16,
    pub destination_port: u16,
    pub payload: Vec<u8>,
}

/// Where the headers of a built packet begin.
#[derive(Clone, Copy, Debug)]
pub struct At {
    pub ip: usize,
    pub transport: usize,
    pub checksum: usize,
    pub payload: usize,
}

/// The ones' complement sum, word by word (RFC 1071 section 4.1).
pub fn plain_sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|word| u64::from(word[0]) << 8 | word.get(1).map_or(0, |low| u64::from(*low)))
        .sum()
}

pub fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}

impl Packet {
    fn transport_bytes(&self) -> usize {
        if self.tcp {
            20 + 4 * usize::from(self.tcp_option_words)
        } else {
            8
        }
    }

    /// The destination that the sender's pseudo-header has.
    fn final_destination(&self) -> [u8; 16] {
        match self.routing {
            Some(routing) if routing.segments_left > 0 => {
                let index = if routing.kind == 4 {
                    0
                } else {
                    routing.addresses - 1
                };
                routing_address(index)
            }
            _ => self.destination,
        }
    }

    /// The folded pseudo-header sum.
    pub fn pseudo(&self) -> u16 {
        let length = self.transport_bytes() + self.payload.len();
        let (source, destination) = if self.v6 {
            (self.source.to_vec(), self.final_destination().to_vec())
        } else {
            (self.source[..4].to_vec(), self.destination[..4].to_vec())
        };
        fold(
            plain_sum(&source)
                + plain_sum(&destination)
                + if self.tcp { 6 } else { 17 }
                + u64::try_from(length).unwrap(),
        )
    }

    fn extensions(&self) -> (u8, Vec<u8>) {
        let mut headers: Vec<(u8, Vec<u8>)> = Vec::new();
        if self.hop_by_hop {
            // A PadN option of six bytes.
            headers.push((0, vec![0, 0, 1, 4, 0, 0, 0, 0]));
        }
        if self.destination_options {
            headers.push((60, vec![0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        }
        if let Some(routing) = self.routing {
            let mut header = vec![
                0,
                2 * routing.addresses,
                routing.kind,
                routing.segments_left,
            ];
            header.extend([routing.addresses.saturating_sub(1), 0, 0, 0]);
            for index in 0..routing.addresses {
                header.extend(routing_address(index));
            }
            headers.push((43, header));
        }
        let transport = if self.tcp { 6 } else { 17 };
        let first = headers.first().map_or(transport, |(number, _)| *number);
        let mut bytes = Vec::new();
        for index in 0..headers.len() {
            let next = headers
                .get(index + 1)
                .map_or(transport, |(number, _)| *number);
            headers[index].1[0] = next;
            bytes.extend(&headers[index].1);
        }
        (first, bytes)
    }

    /// The frame, with the lengths of one whole packet; 0 for an IP length of
    /// more than 65,535, as BIG TCP has it.
    pub fn build(&self, field: Field) -> (Vec<u8>, At) {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for (proto, tci) in &self.tags {
            frame.extend(proto.to_be_bytes());
            frame.extend(tci.to_be_bytes());
        }
        frame.extend(if self.v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
        let ip = frame.len();
        let transport_len = self.transport_bytes() + self.payload.len();
        if self.v6 {
            let (first, extensions) = self.extensions();
            let length = u16::try_from(extensions.len() + transport_len).unwrap_or(0);
            frame.extend([0x60, 0x01, 0x23, 0x45]);
            frame.extend(length.to_be_bytes());
            frame.extend([first, 64]);
            frame.extend(self.source);
            frame.extend(self.destination);
            frame.extend(extensions);
        } else {
            let header_len = 20 + 4 * usize::from(self.ip_option_words);
            let length = u16::try_from(header_len + transport_len).unwrap_or(0);
            frame.extend([0x45 + self.ip_option_words, 0x02]);
            frame.extend(length.to_be_bytes());
            frame.extend(self.id.to_be_bytes());
            frame.extend([0x40, 0, 64, if self.tcp { 6 } else { 17 }, 0, 0]);
            frame.extend(&self.source[..4]);
            frame.extend(&self.destination[..4]);
            frame.resize(ip + header_len, 1);
            let checksum = !fold(plain_sum(&frame[ip..]));
            frame[ip + 10..ip + 12].copy_from_slice(&checksum.to_be_bytes());
        }
        let transport = frame.len();
        frame.extend(self.source_port.to_be_bytes());
        frame.extend(self.destination_port.to_be_bytes());
        let checksum = if self.tcp {
            frame.extend(self.sequence.to_be_bytes());
            frame.extend([0xa1, 0xb2, 0xc3, 0xd4]);
            let offset = (5 + u16::from(self.tcp_option_words)) << 12;
            frame.extend((offset | self.flags).to_be_bytes());
            frame.extend([0x72, 0x10, 0, 0, 0, 0]);
            frame.resize(transport + self.transport_bytes(), 1);
            transport + TCP_CHECKSUM
        } else {
            frame.extend(u16::try_from(transport_len).unwrap_or(0).to_be_bytes());
            frame.extend([0, 0]);
            transport + UDP_CHECKSUM
        };
        let payload = frame.len();
        frame.extend(&self.payload);
        let value = match field {
            Field::Partial => self.pseudo(),
            Field::Value(value) => value,
            Field::Valid => {
                let sum = u64::from(self.pseudo()) + plain_sum(&frame[transport..]);
                match !fold(sum) {
                    0 if !self.tcp => 0xffff,
                    valid => valid,
                }
            }
        };
        frame[checksum..checksum + 2].copy_from_slice(&value.to_be_bytes());
        let at = At {
            ip,
            transport,
            checksum,
            payload,
        };
        (frame, at)
    }
}

/// Address `index` in the routing header of a [`Packet`].
fn routing_address(index: u8) -> [u8; 16] {
    let mut address = [0x20; 16];
    address[14] = 0x77;
    address[15] = index.wrapping_mul(59).wrapping_add(3);
    address
}

/// Any packet with a payload of `sizes` bytes.
pub fn packets(sizes: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Packet> {
    let routing = (
        prop_oneof![Just(0_u8), Just(2), Just(4)],
        0..=1_u8,
        1..=4_u8,
    )
        .prop_map(|(kind, segments_left, addresses)| Routing {
            kind,
            segments_left,
            addresses,
        });
    let tags = vec(
        (prop_oneof![Just(0x8100), Just(0x88a8)], any::<u16>()),
        0..=2,
    );
    (
        (any::<bool>(), any::<bool>(), tags, 0..=10_u8),
        (any::<bool>(), any::<bool>(), proptest::option::of(routing)),
        (0..=10_u8, 0..0x1ff_u16, any::<u32>(), any::<u16>()),
        (
            any::<[u8; 16]>(),
            any::<[u8; 16]>(),
            any::<u16>(),
            7000..8000_u16,
        ),
        vec(any::<u8>(), sizes),
    )
        .prop_map(|(link, extensions, tcp, ends, payload)| Packet {
            tcp: link.0,
            v6: link.1,
            tags: link.2,
            ip_option_words: link.3,
            hop_by_hop: extensions.0,
            destination_options: extensions.1,
            routing: extensions.2,
            tcp_option_words: tcp.0,
            flags: tcp.1,
            sequence: tcp.2,
            id: tcp.3,
            source: ends.0,
            destination: ends.1,
            source_port: ends.2,
            destination_port: ends.3,
            payload,
        })
}

/// A tag beside the packet, or none.
pub fn vlan_tags() -> impl Strategy<Value = Option<VlanTag>> {
    proptest::option::of(
        (prop_oneof![Just(0x8100), Just(0x88a8)], any::<u16>())
            .prop_map(|(proto, tci)| VlanTag { proto, tci }),
    )
}

/// A packet of no special kind, to be changed by a test.
pub fn plain_packet(tcp: bool, v6: bool, payload_len: usize) -> Packet {
    Packet {
        tcp,
        v6,
        tags: Vec::new(),
        ip_option_words: 0,
        hop_by_hop: false,
        destination_options: false,
        routing: None,
        tcp_option_words: 3,
        flags: 0x18,
        sequence: 0x0102_0304,
        id: 0x1234,
        source: *b"\x0a\x01\x02\x03source-addr!",
        destination: *b"\x0a\x04\x05\x06destination!",
        source_port: 40_000,
        destination_port: 7_777,
        payload: (0..payload_len)
            .map(|at| u8::try_from(at * 31 % 251).unwrap())
            .collect(),
    }
}

pub fn record(data: &[u8], gso_size: u32, vlan: Option<VlanTag>) -> Record<'_> {
    Record {
        timestamp_ns: 1,
        target_id: TargetId(1),
        direction: Direction::Out,
        link_layer: LinkLayer::Ethernet,
        skb_len: u32::try_from(data.len()).unwrap(),
        gso_size,
        gso_type: None,
        checksum: SkbChecksum::Unknown,
        inner_network_at: None,
        vlan,
        protocol: 0,
        data,
    }
}

/// All frames of one record, as on the wire, and the framer that made them.
pub fn frames_of(record: &Record<'_>) -> (Vec<Vec<u8>>, Framer) {
    frames_by(record, Segment::Wire)
}

/// All frames of one record, and the framer that made them.
pub fn frames_by(record: &Record<'_>, segment: Segment) -> (Vec<Vec<u8>>, Framer) {
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    framer.frames(record, segment, |frame| {
        let mut bytes = frame.head.to_vec();
        bytes.extend(frame.payload);
        assert_eq!(bytes.len(), frame.len());
        frames.push(bytes);
    });
    (frames, framer)
}

/// `frame` with `tag` behind its MAC addresses.
pub fn with_tag(frame: &[u8], tag: Option<VlanTag>) -> Vec<u8> {
    let mut bytes = frame[..12].to_vec();
    if let Some(tag) = tag {
        bytes.extend(tag.proto.to_be_bytes());
        bytes.extend(tag.tci.to_be_bytes());
    }
    bytes.extend(&frame[12..]);
    bytes
}

/// What etherparse says of a frame.
#[derive(Debug)]
pub struct Seen {
    /// IPv4 identification.
    pub id: Option<u16>,
    pub sequence: Option<u32>,
    /// All twelve bits beside the data offset.
    pub flags: Option<u16>,
    pub payload: Vec<u8>,
    pub ip_checksum_valid: bool,
    /// The transport checksum field, and what etherparse computes for it.
    pub checksum: u16,
    pub computed: u16,
}

impl Seen {
    /// Whether the transport checksum verifies; TCP's 0 and 0xffff are one.
    pub fn checksum_valid(&self) -> bool {
        let same = |value: u16| if value == 0 { 0xffff } else { value };
        same(self.checksum) == same(self.computed)
    }
}

/// Reads a frame strictly: every length must be that of the frame. The
/// pseudo-header is `packet`'s, which knows its final destination.
pub fn see(frame: &[u8], packet: &Packet) -> Seen {
    let sliced = SlicedPacket::from_ethernet(frame).expect("etherparse reads the frame");
    let (ip_len, id, ip_checksum_valid) = match sliced.net.as_ref().expect("IP") {
        NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            (
                usize::from(header.total_len),
                Some(header.identification),
                header.calc_header_checksum() == header.header_checksum,
            )
        }
        NetSlice::Ipv6(ip) => (40 + usize::from(ip.header().payload_length()), None, true),
        NetSlice::Arp(_) => panic!("not IP"),
    };
    let (_, at) = packet.build(Field::Partial);
    let tags_added = sliced.link_exts.len() - packet.tags.len();
    assert_eq!(
        at.ip + 4 * tags_added + ip_len,
        frame.len(),
        "IP length and frame"
    );
    let destination = packet.final_destination();
    match sliced.transport.expect("transport") {
        TransportSlice::Tcp(tcp) => {
            let header = &frame[at.transport + 4 * tags_added..];
            Seen {
                id,
                sequence: Some(tcp.sequence_number()),
                flags: Some(u16::from_be_bytes([header[12], header[13]]) & 0x0fff),
                payload: tcp.payload().to_vec(),
                ip_checksum_valid,
                checksum: tcp.checksum(),
                computed: if packet.v6 {
                    tcp.calc_checksum_ipv6(packet.source, destination).unwrap()
                } else {
                    let (source, destination) = (v4(packet.source), v4(packet.destination));
                    tcp.calc_checksum_ipv4(source, destination).unwrap()
                },
            }
        }
        TransportSlice::Udp(udp) => {
            let header = udp.to_header();
            let payload = udp.payload();
            assert_eq!(usize::from(header.length), 8 + payload.len(), "UDP length");
            Seen {
                id,
                sequence: None,
                flags: None,
                payload: payload.to_vec(),
                ip_checksum_valid,
                checksum: header.checksum,
                computed: if packet.v6 {
                    header
                        .calc_checksum_ipv6_raw(packet.source, destination, payload)
                        .unwrap()
                } else {
                    let (source, destination) = (v4(packet.source), v4(packet.destination));
                    header
                        .calc_checksum_ipv4_raw(source, destination, payload)
                        .unwrap()
                },
            }
        }
        other => panic!("{other:?} is neither TCP nor UDP"),
    }
}

fn v4(address: [u8; 16]) -> [u8; 4] {
    *address.first_chunk().unwrap()
}
