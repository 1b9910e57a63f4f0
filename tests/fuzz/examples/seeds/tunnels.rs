//! Super-frames in tunnels.

use bytes::BufMut as _;

use crate::{
    packet::{ETHERNET_BYTES, Packet, TCP_CHECKSUM, UDP_CHECKSUM, folded},
    seed::Seed,
};

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
pub fn tunnels() -> Vec<Seed> {
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
    // A tunnel of no known kind, whose header has an odd length.
    let mut odd = Packet::new(false, false, 0);
    odd.payload = [&[7][..], &packet(&inner4)].concat();
    seeds.push(Seed {
        // The bytes of each pair are the same, but for one at the end.
        gso_size: 301,
        ..tunnel(
            "udp-odd-super-sum",
            odd.build(true),
            odd.transport_at() + 8 + 1,
            TCPV4 | UDP_TUNNEL_CSUM,
        )
    });
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
pub fn malformed() -> Vec<Seed> {
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
