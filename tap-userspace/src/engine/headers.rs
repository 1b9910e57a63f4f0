//! Finds the headers of an Ethernet frame: where each begins, and what kind of
//! packet it is. Nothing is copied and nothing is changed.
//!
//! A header that contradicts itself or its frame makes the packet
//! [`Malformed`]; one that is merely unknown makes it "other".

pub mod field;
mod ipv4;
mod ipv6;
pub mod tunnel;

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
/// Bytes of an IPv6 header without extensions (RFC 8200 section 3).
pub const IPV6_BYTES: usize = 40;

/// Offset in a TCP header of its checksum (RFC 9293 section 3.1).
pub const TCP_CHECKSUM: usize = 16;
/// Offset in a UDP header of its checksum (RFC 768).
pub const UDP_CHECKSUM: usize = 6;

/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_ARP: u16 = 0x0806;
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
    /// SCTP over IPv4 or IPv6, not a fragment.
    Sctp,
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

/// Numbers of protocols over IP (RFC 5237).
pub mod number {
    /// ICMP (RFC 792).
    pub const ICMP: u8 = 1;
    /// IPv4 in IP (RFC 2003).
    pub const IPV4: u8 = 4;
    /// TCP (RFC 9293).
    pub const TCP: u8 = 6;
    /// UDP (RFC 768).
    pub const UDP: u8 = 17;
    /// IPv6 in IP (RFC 2473).
    pub const IPV6: u8 = 41;
    /// GRE (RFC 2784).
    pub const GRE: u8 = 47;
    /// ICMPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
    /// SCTP (RFC 9260).
    pub const SCTP: u8 = 132;
}

/// A transport protocol whose super-frames are cut.
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

/// Where an IP packet is that carries neither TCP nor UDP, and is no fragment.
/// Offsets in bytes from the start of the frame:
/// `ip_at < payload_at <= end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpPacket {
    /// The version of IP.
    pub ip: Ip,
    /// The IP header.
    pub ip_at: usize,
    /// What follows it and its extension headers.
    pub payload_at: usize,
    /// The end of the packet; what the frame has beyond it is padding.
    pub end: usize,
    /// What it carries: one of [`number`], or another.
    pub protocol: u8,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// TCP or UDP, whole.
    Transport(Transport),
    /// Another protocol over IP, whole.
    Ip(IpPacket),
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

impl Headers {
    /// The kind of packet.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Transport(transport) => match transport.protocol {
                Protocol::Tcp => Kind::Tcp,
                Protocol::Udp => Kind::Udp,
            },
            Self::Ip(packet) => match (packet.protocol, packet.ip) {
                (number::ICMP, Ip::V4) | (number::ICMPV6, Ip::V6(_)) => Kind::Icmp,
                (number::SCTP, _) => Kind::Sctp,
                _ => Kind::OtherIp,
            },
            Self::Other(kind) => *kind,
        }
    }
}

impl Ip {
    /// Offset of the length in an IP header that begins at `ip_at`.
    #[must_use]
    #[inline]
    pub fn length_at(self, ip_at: usize) -> usize {
        ip_at
            + match self {
                Self::V4 => ipv4::LENGTH_FIELD,
                Self::V6(_) => ipv6::LENGTH_FIELD,
            }
    }

    /// Offset of what the IP length counts from, for a header at `ip_at`: of
    /// the packet in IPv4, of what follows the fixed header in IPv6.
    #[must_use]
    #[inline]
    pub fn counted_from(self, ip_at: usize) -> usize {
        match self {
            Self::V4 => ip_at,
            Self::V6(_) => ip_at + IPV6_BYTES,
        }
    }
}

impl Transport {
    /// Offset of the checksum field in the frame.
    #[must_use]
    pub fn checksum_at(&self) -> usize {
        match self.protocol {
            Protocol::Tcp => self.transport_at + TCP_CHECKSUM,
            Protocol::Udp => self.transport_at + UDP_CHECKSUM,
        }
    }

    /// The length in the IP header of the frame that this was read from: of
    /// the packet in IPv4, of what follows the fixed header in IPv6.
    #[must_use]
    pub fn ip_length(&self, frame: &[u8]) -> Option<u16> {
        field::read_u16(frame, self.ip.length_at(self.ip_at))
    }

    /// What that length counts before the payload, in bytes.
    #[must_use]
    pub fn counted_headers_len(&self) -> usize {
        self.payload_at - self.ip.counted_from(self.ip_at)
    }

    /// Where the same parts are when the headers have moved by `moved` bytes,
    /// and `removed` bytes between the IP header and the transport header are
    /// gone.
    #[must_use]
    pub fn in_template(mut self, moved: usize, removed: usize) -> Self {
        self.ip_at += moved;
        for at in [&mut self.transport_at, &mut self.payload_at, &mut self.end] {
            *at = *at + moved - removed;
        }
        self
    }
}

/// Reads the headers of a frame that begins with its MAC addresses.
///
/// # Errors
/// [`Malformed`], also for a frame that is shorter than an Ethernet header.
#[inline]
pub fn parse(frame: &[u8], extent: Extent) -> Result<Headers, Malformed> {
    parse_ethernet(frame, 0, extent)
}

/// Reads the headers of a frame whose MAC addresses begin at `at`.
///
/// # Errors
/// [`Malformed`], also for one that is shorter than an Ethernet header.
#[inline]
pub fn parse_ethernet(frame: &[u8], at: usize, extent: Extent) -> Result<Headers, Malformed> {
    let ethertype = field::read_u16(frame, at + MACS_BYTES).ok_or(Malformed)?;
    parse_network(frame, ethertype, at + ETHERNET_BYTES, extent)
}

/// Reads the headers of an IP packet that begins at `at`, of the version that
/// it says.
///
/// # Errors
/// [`Malformed`].
pub fn parse_ip(frame: &[u8], at: usize, extent: Extent) -> Result<Headers, Malformed> {
    match frame.get(at).ok_or(Malformed)? >> 4 {
        4 => ipv4::parse(frame, at, extent),
        6 => ipv6::parse(frame, at, extent),
        _ => Err(Malformed),
    }
}

/// Reads the headers from the one at `at` on, which is of this EtherType.
///
/// # Errors
/// [`Malformed`].
pub fn parse_network(
    frame: &[u8],
    mut ethertype: u16,
    mut at: usize,
    extent: Extent,
) -> Result<Headers, Malformed> {
    loop {
        match ethertype {
            ETHERTYPE_IPV4 => return ipv4::parse(frame, at, extent),
            ETHERTYPE_IPV6 => return ipv6::parse(frame, at, extent),
            ETHERTYPE_ARP => return Ok(Headers::Other(Kind::Arp)),
            tag if ETHERTYPES_VLAN.contains(&tag) => {
                ethertype = field::read_u16(frame, at + size_of::<u16>()).ok_or(Malformed)?;
                at += VLAN_TAG_BYTES;
            }
            _ => return Ok(Headers::Other(Kind::NonIp)),
        }
    }
}

/// Reads what follows the IP headers of a packet that is no fragment.
fn transport(frame: &[u8], packet: IpPacket, extent: Extent) -> Result<Headers, Malformed> {
    let at = packet.payload_at;
    let room = packet.end.checked_sub(at).ok_or(Malformed)?;
    let (protocol, header) = match packet.protocol {
        number::TCP => {
            let offset = *frame.get(at + 12).ok_or(Malformed)?;
            let header = usize::from(offset >> 4) * size_of::<u32>();
            if header < TCP_BYTES {
                return Err(Malformed);
            }
            (Protocol::Tcp, header)
        }
        number::UDP => {
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
        _ => return Ok(Headers::Ip(packet)),
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
