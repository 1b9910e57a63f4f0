//! Finds what is inside a tunnel, one level of it.
//!
//! What the sk_buff says of a tunnel ([`Tunnel::told`]) is exact. Without it
//! ([`Tunnel::by_content`]) one is known by IP protocol, or by UDP port, and by
//! what it has inside.

use super::{
    ETHERNET_BYTES, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Extent, Headers, Ip, MACS_BYTES, Malformed,
    Protocol, UDP_BYTES, field, number, parse_ethernet, parse_ip,
};

/// VXLAN (RFC 7348 section 5).
const PORT_VXLAN: u16 = 4789;
/// VXLAN where Linux made it before the port was assigned
/// (drivers/net/vxlan `vxlan_port`), and where Flannel still does.
const PORT_VXLAN_LINUX: u16 = 8472;
/// Geneve (RFC 8926 section 3.3).
const PORT_GENEVE: u16 = 6081;

/// Transparent Ethernet bridging: a whole frame is inside (RFC 8926).
const ETHERTYPE_BRIDGED: u16 = 0x6558;

/// Bytes of a VXLAN header, and of a Geneve header without options.
const UDP_TUNNEL_BYTES: usize = 8;

/// Offset in a UDP header of its destination port.
const UDP_DESTINATION: usize = 2;

/// Flags of a GRE header (RFC 2784 section 2.1, RFC 2890 section 2): its
/// checksum, key and sequence number are there, four bytes each.
const GRE_CHECKSUM: u16 = 0x8000;
const GRE_KEY: u16 = 0x2000;
const GRE_SEQUENCE: u16 = 0x1000;
/// Flags that RFC 2784 section 2.3 has a receiver refuse, and the version.
const GRE_UNKNOWN: u16 = 0x4fff;
/// Bytes of a GRE header without these, and of each of them.
const GRE_BYTES: usize = 4;
const GRE_OPTION_BYTES: usize = 4;
/// Offset of the checksum in a GRE header that has one; a reserved field follows
/// it (RFC 2784 section 2.1).
pub(in crate::engine) const GRE_CHECKSUM_AT: usize = 4;

/// What carries the inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// UDP, with a header of its own behind it: VXLAN, Geneve and the like.
    Udp,
    /// GRE.
    Gre,
    /// IP itself: IPIP, SIT and the like.
    Ip,
}

/// A tunnel and its outer headers. Offsets in bytes from the start of the
/// frame: `ip_at < header_at <= inside_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// What carries the inner packet.
    pub carrier: Carrier,
    /// The version of the outer IP.
    pub ip: Ip,
    /// The outer IP header.
    pub ip_at: usize,
    /// The UDP or GRE header, or the inner IP header.
    pub header_at: usize,
    /// Where the inside begins.
    pub inside_at: usize,
    inside: Inside,
    end: usize,
}

/// What a tunnel has inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// A frame, from its MAC addresses on.
    Ethernet,
    /// An IP packet.
    Ip,
}

impl Tunnel {
    /// The tunnel that the kernel says is there: carried by `carrier`, with its
    /// inner IP header at `network_at`. `None` where the headers do not agree.
    #[must_use]
    pub fn told(headers: &Headers, carrier: Carrier, network_at: usize) -> Option<Self> {
        let outer = Self::outer(headers)?;
        let header_bytes = match carrier {
            Carrier::Udp => UDP_BYTES,
            Carrier::Gre => GRE_BYTES,
            Carrier::Ip => 0,
        };
        let agrees = outer.carrier == carrier && network_at >= outer.header_at + header_bytes;
        agrees.then_some(Self {
            inside_at: network_at,
            inside: Inside::Ip,
            ..outer
        })
    }

    /// The tunnel that the packet looks like.
    #[must_use]
    #[inline]
    pub fn by_content(frame: &[u8], headers: &Headers) -> Option<Self> {
        let outer = Self::outer(headers)?;
        let (inside_at, inside) = match outer.carrier {
            Carrier::Udp => {
                let reads = match field::read_u16(frame, outer.header_at + UDP_DESTINATION)? {
                    PORT_VXLAN | PORT_VXLAN_LINUX => vxlan,
                    PORT_GENEVE => geneve,
                    _ => return None,
                };
                let payload_at = outer.header_at + UDP_BYTES;
                let (bytes, inside) = reads(frame.get(payload_at..outer.end)?)?;
                (payload_at + bytes, inside)
            }
            Carrier::Gre => {
                let (bytes, inside) = gre(frame.get(outer.header_at..outer.end)?)?;
                (outer.header_at + bytes, inside)
            }
            Carrier::Ip => (outer.header_at, Inside::Ip),
        };
        Some(Self {
            inside_at,
            inside,
            ..outer
        })
    }

    /// The outer headers of a packet that a tunnel may be in.
    #[inline]
    fn outer(headers: &Headers) -> Option<Self> {
        match *headers {
            Headers::Transport(transport) if transport.protocol == Protocol::Udp => Some(Self {
                carrier: Carrier::Udp,
                ip: transport.ip,
                ip_at: transport.ip_at,
                header_at: transport.transport_at,
                inside_at: transport.payload_at,
                inside: Inside::Ethernet,
                end: transport.end,
            }),
            Headers::Ip(packet) => {
                let carrier = match packet.protocol {
                    number::IPV4 | number::IPV6 => Carrier::Ip,
                    number::GRE => Carrier::Gre,
                    _ => return None,
                };
                Some(Self {
                    carrier,
                    ip: packet.ip,
                    ip_at: packet.ip_at,
                    header_at: packet.payload_at,
                    inside_at: packet.payload_at,
                    inside: Inside::Ip,
                    end: packet.end,
                })
            }
            _ => None,
        }
    }

    /// Reads the headers inside. Offsets are in the same frame.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(&self, frame: &[u8], extent: Extent) -> Result<Headers, Malformed> {
        let frame = frame.get(..self.end).ok_or(Malformed)?;
        match self.inside {
            Inside::Ethernet => parse_ethernet(frame, self.inside_at, extent),
            Inside::Ip => parse_ip(frame, self.inside_at, extent),
        }
    }

    /// Offset of the checksum of a GRE header, if it is one and has one.
    #[must_use]
    pub fn gre_checksum_at(&self, frame: &[u8]) -> Option<usize> {
        let is_there = self.carrier == Carrier::Gre
            && field::read_u16(frame, self.header_at)? & GRE_CHECKSUM != 0;
        is_there.then_some(self.header_at + GRE_CHECKSUM_AT)
    }

    /// Whether a GRE header has a checksum, and ends behind it.
    #[must_use]
    pub fn has_room_for_gre_checksum(&self, frame: &[u8]) -> bool {
        self.gre_checksum_at(frame)
            .is_some_and(|at| at + GRE_OPTION_BYTES <= self.inside_at)
    }

    /// Whether it numbers its packets (GRE).
    #[must_use]
    pub fn has_sequence_numbers(&self, frame: &[u8]) -> bool {
        self.carrier == Carrier::Gre
            && field::read_u16(frame, self.header_at).is_some_and(|flags| flags & GRE_SEQUENCE != 0)
    }
}

/// RFC 7348 section 5: the flag that a network identifier is there, 24 bits
/// of it, and an Ethernet frame.
fn vxlan(payload: &[u8]) -> Option<(usize, Inside)> {
    let (header, inside) = payload.split_at_checked(UDP_TUNNEL_BYTES)?;
    let is_vxlan = header.first().is_some_and(|flags| flags & 0x08 != 0) && is_ethernet(inside);
    is_vxlan.then_some((UDP_TUNNEL_BYTES, Inside::Ethernet))
}

/// RFC 8926 section 3.4: version 0, options in units of four bytes, and the
/// EtherType of what is inside.
fn geneve(payload: &[u8]) -> Option<(usize, Inside)> {
    let (&[version_options, _, a, b, ..], _) = payload.split_first_chunk::<UDP_TUNNEL_BYTES>()?;
    let options = usize::from(version_options & 0x3f) * size_of::<u32>();
    let bytes = UDP_TUNNEL_BYTES + options;
    let inside = payload.get(bytes..)?;
    if version_options >> 6 != 0 {
        return None;
    }
    Some((bytes, is_inside(u16::from_be_bytes([a, b]), inside)?))
}

/// RFC 2784 section 2, RFC 2890 section 2.
fn gre(packet: &[u8]) -> Option<(usize, Inside)> {
    let flags = field::read_u16(packet, 0)?;
    let ethertype = field::read_u16(packet, 2)?;
    if flags & GRE_UNKNOWN != 0 {
        return None;
    }
    let options = (flags & (GRE_CHECKSUM | GRE_KEY | GRE_SEQUENCE)).count_ones();
    let bytes = GRE_BYTES + GRE_OPTION_BYTES * usize::try_from(options).ok()?;
    Some((bytes, is_inside(ethertype, packet.get(bytes..)?)?))
}

/// What is inside, if it is what this EtherType says.
fn is_inside(ethertype: u16, inside: &[u8]) -> Option<Inside> {
    match ethertype {
        ETHERTYPE_BRIDGED => is_ethernet(inside).then_some(Inside::Ethernet),
        _ => is_ip(ethertype, inside).then_some(Inside::Ip),
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
