//! Tells a UDP tunnel from a UDP super-frame, which without `gso_type` look
//! alike: in both `gso_size` is set and the outermost transport is UDP, but a
//! tunnel's `gso_size` cuts the packet inside.

use crate::engine::headers::{ETHERNET_BYTES, MACS_BYTES, field};

/// VXLAN (RFC 7348 section 5).
const PORT_VXLAN: u16 = 4789;
/// VXLAN where Linux made it before the port was assigned
/// (drivers/net/vxlan `vxlan_port`), and where Flannel still does.
const PORT_VXLAN_LINUX: u16 = 8472;
/// Geneve (RFC 8926 section 3.3).
const PORT_GENEVE: u16 = 6081;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Transparent Ethernet bridging: a whole frame is inside (RFC 8926).
const ETHERTYPE_BRIDGED: u16 = 0x6558;

/// Bytes of a VXLAN header, and of a Geneve header without options.
const TUNNEL_BYTES: usize = 8;

/// Whether a UDP payload sent to `port` is a tunnel with IP inside.
pub(super) fn is_tunnel(port: u16, payload: &[u8]) -> bool {
    match port {
        PORT_VXLAN | PORT_VXLAN_LINUX => is_vxlan(payload),
        PORT_GENEVE => is_geneve(payload),
        _ => false,
    }
}

/// RFC 7348 section 5: the flag that a network identifier is there, 24 bits
/// of it, and an Ethernet frame.
fn is_vxlan(payload: &[u8]) -> bool {
    payload
        .split_at_checked(TUNNEL_BYTES)
        .is_some_and(|(header, inside)| {
            header.first().is_some_and(|flags| flags & 0x08 != 0) && is_ethernet(inside)
        })
}

/// RFC 8926 section 3.4: version 0, options in units of four bytes, and the
/// EtherType of what is inside.
fn is_geneve(payload: &[u8]) -> bool {
    let Some((&[version_options, _, a, b, ..], _)) = payload.split_first_chunk::<TUNNEL_BYTES>()
    else {
        return false;
    };
    let options = usize::from(version_options & 0x3f) * size_of::<u32>();
    let Some(inside) = payload.get(TUNNEL_BYTES + options..) else {
        return false;
    };
    version_options >> 6 == 0
        && match u16::from_be_bytes([a, b]) {
            ETHERTYPE_BRIDGED => is_ethernet(inside),
            ethertype => is_ip(ethertype, inside),
        }
}

fn is_ethernet(frame: &[u8]) -> bool {
    match (
        field::read_u16(frame, MACS_BYTES),
        frame.get(ETHERNET_BYTES..),
    ) {
        // A tag inside is as good as the packet behind it.
        (Some(0x8100 | 0x88a8), Some(_)) => true,
        (Some(ethertype), Some(inside)) => is_ip(ethertype, inside),
        _ => false,
    }
}

fn is_ip(ethertype: u16, packet: &[u8]) -> bool {
    let version = packet.first().map(|byte| byte >> 4);
    matches!(
        (ethertype, version),
        (ETHERTYPE_IPV4, Some(4)) | (ETHERTYPE_IPV6, Some(6))
    )
}
