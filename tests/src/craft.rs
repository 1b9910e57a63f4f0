//! Frames made by hand, for what no ordinary socket sends.

use std::net::{IpAddr, Ipv6Addr};

use etherparse::{ArpHardwareId, ArpOperation, ArpPacket, EtherType, PacketBuilder};

/// All hosts of the link.
pub const BROADCAST: [u8; 6] = [0xff; 6];
/// Where our frames come from: a locally administered address.
pub const SOURCE: [u8; 6] = [2, 0x70, 0x6f, 0x64, 0, 1];
/// An EtherType for local experiments (IEEE 802): nobody answers it.
pub const EXPERIMENTAL: u16 = 0x88b5;

/// A broadcast frame that nobody answers, with these words in it.
#[must_use]
pub fn marker(words: &str) -> Vec<u8> {
    plain(EXPERIMENTAL, words.as_bytes())
}

/// A broadcast frame of any type, at least as long as Ethernet wants it.
#[must_use]
pub fn plain(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [&BROADCAST[..], &SOURCE, &ether_type.to_be_bytes(), payload].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

/// The frame with a tag between addresses and type.
#[must_use]
pub fn tagged(frame: &[u8], tag_type: u16, tci: u16) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    let tag = [tag_type.to_be_bytes(), tci.to_be_bytes()].concat();
    [addresses, &tag, rest].concat()
}

/// Who has `target`? Tell `sender`.
#[must_use]
pub fn arp_request(sender: IpAddr, target: IpAddr) -> Vec<u8> {
    let (IpAddr::V4(sender), IpAddr::V4(target)) = (sender, target) else {
        panic!("ARP asks for IPv4 addresses");
    };
    let request = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        ArpOperation::REQUEST,
        &SOURCE,
        &sender.octets(),
        &[0; 6],
        &target.octets(),
    )
    .expect("an ARP packet");
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(SOURCE, BROADCAST)
        .arp(request)
        .write(&mut frame)
        .expect("an ARP frame");
    frame
}

/// An ICMP echo request to `target`, in a broadcast frame.
#[must_use]
pub fn echo_request(sender: IpAddr, target: IpAddr) -> Vec<u8> {
    let (IpAddr::V4(sender), IpAddr::V4(target)) = (sender, target) else {
        panic!("ICMP is for IPv4 addresses");
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(SOURCE, BROADCAST)
        .ipv4(sender.octets(), target.octets(), 64)
        .icmpv4_echo_request(0x7074, 1)
        .write(&mut frame, b"is there anybody")
        .expect("an ICMP frame");
    frame
}

/// A UDP datagram in a broadcast frame, its checksum right.
#[must_use]
pub fn udp(sender: IpAddr, target: IpAddr, payload: &[u8]) -> Vec<u8> {
    let (IpAddr::V4(sender), IpAddr::V4(target)) = (sender, target) else {
        panic!("IPv4 addresses are wanted");
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(SOURCE, BROADCAST)
        .ipv4(sender.octets(), target.octets(), 64)
        .udp(9, 9)
        .write(&mut frame, payload)
        .expect("a datagram");
    frame
}

/// Who has `target`? By IPv6, in a broadcast frame to all nodes.
#[must_use]
pub fn neighbour_solicitation(sender: IpAddr, target: IpAddr) -> Vec<u8> {
    let (IpAddr::V6(sender), IpAddr::V6(target)) = (sender, target) else {
        panic!("neighbours are asked for by IPv6 addresses");
    };
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    // RFC 4861, section 4.3, with the source's link-layer address.
    let body = [&target.octets()[..], &[1, 1], &SOURCE].concat();
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(SOURCE, BROADCAST)
        .ipv6(sender.octets(), all_nodes.octets(), 255)
        .icmpv6_raw(135, 0, [0; 4])
        .write(&mut frame, &body)
        .expect("an ICMPv6 frame");
    frame
}
