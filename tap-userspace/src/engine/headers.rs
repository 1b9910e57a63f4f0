//! Finds the headers of an Ethernet frame: where each begins, and what kind of
//! packet it is. Nothing is copied and nothing is changed.
//!
//! A header that contradicts itself or its frame makes the packet
//! [`Malformed`]; one that is merely unknown makes it "other".

pub mod field;
mod ipv4;
mod ipv6;

/// Bytes of the two MAC addresses that an Ethernet frame begins with.
pub const MACS_BYTES: usize = 12;
/// Bytes of an Ethernet II header: addresses and EtherType.
pub const ETHERNET_BYTES: usize = MACS_BYTES + 2;
/// Bytes of an IEEE 802.1Q tag.
pub const VLAN_TAG_BYTES: usize = 4;
/// Bytes of a UDP header (RFC 768).
pub const UDP_BYTES: usize = 8;
/// Bytes of a TCP header without options (RFC 9293 section 3.1).
pub const TCP_BYTES: usize = 20;

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Tags that other headers follow: 802.1Q, 802.1ad, and the number that QinQ
/// used before it was standard. The kernel's `eth_type_vlan` knows the first
/// two.
pub(super) const ETHERTYPES_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// What kind of packet a frame carries; each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP over IPv4 or IPv6, not a fragment.
    Tcp,
    /// UDP over IPv4 or IPv6, not a fragment.
    Udp,
    /// ICMP or ICMPv6, not a fragment.
    Icmp,
    /// ARP.
    Arp,
    /// A fragment of an IPv4 or IPv6 packet.
    Fragment,
    /// Another protocol over IP.
    OtherIp,
    /// Neither IP nor ARP.
    NonIp,
}

/// A transport protocol whose packets the kernel leaves unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
}

/// The IP header under a transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ip {
    /// RFC 791.
    V4,
    /// RFC 8200.
    V6(Ipv6),
}

/// What the IPv6 headers say beside where they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6 {
    /// Offset in the frame of the packet's final destination, which the
    /// pseudo-header is made with; `None` behind a routing header that does
    /// not tell.
    pub final_destination_at: Option<usize>,
    /// Whether a hop-by-hop options header is there, where BIG TCP keeps its
    /// jumbo length.
    pub hop_by_hop: bool,
}

/// Where the parts of a TCP or UDP packet are. Offsets in bytes from the start
/// of the frame, ascending: `ip_at < transport_at < payload_at <= end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The version of IP.
    pub ip: Ip,
    /// The IP header.
    pub ip_at: usize,
    /// The TCP or UDP header.
    pub transport_at: usize,
    /// What follows it.
    pub payload_at: usize,
    /// The end of the packet; what the frame has beyond it is padding.
    pub end: usize,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// TCP or UDP, whole.
    Transport(Transport),
    /// Anything else.
    Other(Kind),
}

/// What says where an IP packet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The length in its IP header, as on the wire.
    Header,
    /// The end of the frame: the kernel cuts a super-frame by `skb->len`, and
    /// the length in the header of one over 64 KiB is 0
    /// (include/linux/ip.h `iph_set_totlen`).
    Frame,
}

/// A header contradicts itself or does not fit into its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a header that contradicts itself or its frame")]
pub struct Malformed;

impl Transport {
    /// Offset of the checksum field in the frame.
    #[must_use]
    pub fn checksum_at(&self) -> usize {
        use super::checksum::partial::{TCP_FIELD, UDP_FIELD};
        match self.protocol {
            Protocol::Tcp => self.transport_at + TCP_FIELD,
            Protocol::Udp => self.transport_at + UDP_FIELD,
        }
    }

    /// The length in the IP header of the frame that this was read from: of
    /// the packet in IPv4, of what follows the fixed header in IPv6.
    #[must_use]
    pub fn ip_length(&self, frame: &[u8]) -> Option<u16> {
        let at = match self.ip {
            Ip::V4 => ipv4::LENGTH_FIELD,
            Ip::V6(_) => ipv6::LENGTH_FIELD,
        };
        field::read_u16(frame, self.ip_at + at)
    }

    /// What that length counts before the payload, in bytes.
    #[must_use]
    pub fn counted_headers_len(&self) -> usize {
        let counted_from = match self.ip {
            Ip::V4 => self.ip_at,
            Ip::V6(_) => self.ip_at + ipv6::HEADER_BYTES,
        };
        self.payload_at - counted_from
    }
}

/// Reads the headers of a frame that begins with its MAC addresses.
///
/// # Errors
/// [`Malformed`], also for a frame that is shorter than an Ethernet header.
pub fn parse(frame: &[u8], extent: Extent) -> Result<Headers, Malformed> {
    let mut at = MACS_BYTES;
    loop {
        let ethertype = field::read_u16(frame, at).ok_or(Malformed)?;
        at += size_of::<u16>();
        match ethertype {
            ETHERTYPE_IPV4 => return ipv4::parse(frame, at, extent),
            ETHERTYPE_IPV6 => return ipv6::parse(frame, at, extent),
            ETHERTYPE_ARP => return Ok(Headers::Other(Kind::Arp)),
            tag if ETHERTYPES_VLAN.contains(&tag) => at += size_of::<u16>(),
            _ => return Ok(Headers::Other(Kind::NonIp)),
        }
    }
}

/// The IP side of a packet, when its IP headers have been read.
#[derive(Clone, Copy)]
struct IpPacket {
    ip: Ip,
    ip_at: usize,
    transport_at: usize,
    end: usize,
}

/// Reads what follows the IP headers of a packet that is no fragment.
/// `protocol` is its number in the registry of RFC 5237.
fn transport(
    frame: &[u8],
    packet: IpPacket,
    protocol: u8,
    extent: Extent,
) -> Result<Headers, Malformed> {
    let at = packet.transport_at;
    let room = packet.end.checked_sub(at).ok_or(Malformed)?;
    let (protocol, header) = match (protocol, packet.ip) {
        (6, _) => {
            let offset = *frame.get(at + 12).ok_or(Malformed)?;
            let header = usize::from(offset >> 4) * size_of::<u32>();
            if header < TCP_BYTES {
                return Err(Malformed);
            }
            (Protocol::Tcp, header)
        }
        (17, _) => {
            let length = field::read_u16(frame, at + 4).ok_or(Malformed)?;
            // A shorter length than IP's is legal (RFC 9868), but the kernel
            // makes none: what follows the datagram then is not covered by
            // its checksum, and it passes as it is.
            if extent == Extent::Header {
                if usize::from(length) < UDP_BYTES || usize::from(length) > room {
                    return Err(Malformed);
                }
                if usize::from(length) < room {
                    return Ok(Headers::Other(Kind::Udp));
                }
            }
            (Protocol::Udp, UDP_BYTES)
        }
        (1, Ip::V4) | (58, Ip::V6(_)) => return Ok(Headers::Other(Kind::Icmp)),
        _ => return Ok(Headers::Other(Kind::OtherIp)),
    };
    if header > room {
        return Err(Malformed);
    }
    Ok(Headers::Transport(Transport {
        protocol,
        ip: packet.ip,
        ip_at: packet.ip_at,
        transport_at: at,
        payload_at: at + header,
        end: packet.end,
    }))
}
