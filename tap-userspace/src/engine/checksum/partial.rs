//! Checksums that the kernel has left for the hardware to complete.
//!
//! A sender whose device offers checksum offload writes into the checksum
//! field only the folded sum of the pseudo-header, **not inverted**, and marks
//! the skb `CHECKSUM_PARTIAL` (include/linux/skbuff.h, "Checksumming on output";
//! `__tcp_v4_send_check`, `udp4_hwcsum`, `__tcp_v6_send_check`,
//! `udp6_set_csum`). In SCTP and GRE it writes 0 (net/sctp/output.c
//! `sctp_packet_pack`, include/net/gre.h `gre_build_header`). A veth never
//! completes it. In a tunnel at most one checksum is partial: with "local
//! checksum offload" (Documentation/networking/checksum-offloads.rst) the
//! inner one, and the outer one is final.
//!
//! # Where the sk_buff was asked
//! [`Partial::told`]: what it says is done, as `skb_checksum_help` and
//! `skb_crc32c_csum_help` (net/core/dev.c) do, to the end of the skb, and
//! nothing else is touched. It does not say that the sum is a CRC
//! (`csum_not_inet`): that is so where an SCTP header begins at its start.
//!
//! # The value rule
//! [`Partial::by_value`], where nothing is known: a TCP or UDP checksum that
//! equals the folded pseudo-header sum is partial, and so is a 0 in SCTP and in
//! GRE; any other is final, right or wrong. A corrupt packet so stays corrupt.
//! Looked for outside of a tunnel, then inside, one level.
//!
//! # Its blind spot
//! A final checksum may hold that value by chance, as one in 65,535 does. On a
//! valid packet that is harmless: completing gives the one value that makes
//! the packet valid, so the one that was there. A *corrupt* packet whose field
//! happens to hold it is healed, which only the sk_buff can prevent.
//!
//! The other way round, a partial checksum whose pseudo-header cannot be known
//! from the packet stays as it is: behind an IPv4 source route (RFC 791), an
//! IPv6 routing header of an unknown type, in a tunnel that is not recognised.
//!
//! Padding behind the packet is not covered by this rule, although the kernel
//! sums to the end of the skb and padding need not be zero. To cover it would
//! damage those valid packets that hold the value by chance, and a sender whose
//! partial packets are padded is not known.

use crc::{CRC_32_ISCSI, Crc, Table};

use super::{Sum, pseudo_header};
use crate::engine::headers::tunnel::Tunnel;
use crate::engine::headers::{Extent, Headers, IpPacket, Transport, field, number, parse_ip};

/// Offset of the checksum field in an SCTP header (RFC 9260 section 3.1).
const SCTP_FIELD: usize = 8;

/// CRC32c (RFC 9260 appendix A).
const CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// A checksum that is to be completed. Offsets in bytes from the start of the
/// frame; both lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// First byte that the sum covers: the kernel's `csum_start`.
    start: usize,
    /// End of what it covers.
    end: usize,
    /// The field: the kernel's `csum_start + csum_offset`.
    field: usize,
    algorithm: Algorithm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    /// RFC 1071.
    Internet,
    /// RFC 9260 appendix A.
    Crc32c,
}

impl Partial {
    /// The one that the sk_buff says is there, at `field`, of everything from
    /// `start` on. `None` if either lies outside of the frame. `headers` are the
    /// frame's, if they can be read, and `inner_network_at` is where the IP
    /// header inside a tunnel begins.
    #[must_use]
    #[inline]
    pub fn told(
        frame: &[u8],
        (start, field): (usize, usize),
        headers: Option<&Headers>,
        inner_network_at: Option<usize>,
    ) -> Option<Self> {
        let is_sctp = field == start.saturating_add(SCTP_FIELD)
            && (headers.is_some_and(|headers| is_sctp(headers, start))
                || inner_network_at
                    .and_then(|at| parse_ip(frame, at, Extent::Header).ok())
                    .is_some_and(|inner| is_sctp(&inner, start)));
        let this = Self {
            start,
            end: frame.len(),
            field,
            algorithm: if is_sctp {
                Algorithm::Crc32c
            } else {
                Algorithm::Internet
            },
        };
        let is_inside = start < frame.len() && this.field_end() <= frame.len();
        is_inside.then_some(this)
    }

    /// The one that the value rule finds. `headers` are the frame's.
    #[must_use]
    #[inline]
    pub fn by_value(frame: &[u8], headers: &Headers) -> Option<Self> {
        match headers {
            Headers::Transport(transport) => {
                Self::of_transport(frame, transport).or_else(|| inside(frame, headers))
            }
            Headers::Ip(packet) => match packet.protocol {
                number::SCTP => Self::of_sctp(frame, packet),
                // A final checksum of GRE may be 0, where the inner one is
                // partial.
                number::GRE => inside(frame, headers).or_else(|| Self::of_gre(frame, headers)),
                number::IPV4 | number::IPV6 => inside(frame, headers),
                _ => None,
            },
            Headers::Other(_) => None,
        }
    }

    /// Of TCP or UDP. A pseudo-header with a protocol number never sums to 0,
    /// so the 0 that is "none" in UDP (RFC 768) is never partial.
    #[inline]
    pub(in crate::engine) fn of_transport(frame: &[u8], transport: &Transport) -> Option<Self> {
        let field = transport.checksum_at();
        let value = field::read_u16(frame, field)?;
        (value == pseudo_header::sum(frame, transport)?.fold()).then_some(Self {
            start: transport.transport_at,
            end: transport.end,
            field,
            algorithm: Algorithm::Internet,
        })
    }

    fn of_sctp(frame: &[u8], packet: &IpPacket) -> Option<Self> {
        let field = packet.payload_at + SCTP_FIELD;
        let is_partial = field + size_of::<u32>() <= packet.end
            && field::read_u32(frame, field).is_some_and(|value| value == 0);
        is_partial.then_some(Self {
            start: packet.payload_at,
            end: packet.end,
            field,
            algorithm: Algorithm::Crc32c,
        })
    }

    fn of_gre(frame: &[u8], headers: &Headers) -> Option<Self> {
        let tunnel = Tunnel::by_content(frame, headers)?;
        let Headers::Ip(packet) = headers else {
            return None;
        };
        let this = Self {
            start: packet.payload_at,
            end: packet.end,
            field: tunnel.gre_checksum_at(frame)?,
            algorithm: Algorithm::Internet,
        };
        let is_partial = field::read_u16(frame, this.field) == Some(0)
            // Else the packet is valid with the 0 that it has.
            && this.internet(frame) != u16::MAX;
        is_partial.then_some(this)
    }

    /// End of the field.
    #[must_use]
    #[inline]
    pub fn field_end(&self) -> usize {
        self.field.saturating_add(match self.algorithm {
            Algorithm::Internet => size_of::<u16>(),
            Algorithm::Crc32c => size_of::<u32>(),
        })
    }

    /// Completes the checksum of `frame` in `head`, a copy of its beginning
    /// that holds the field `moved` bytes later.
    #[inline]
    pub fn complete(&self, frame: &[u8], head: &mut [u8], moved: usize) {
        match self.algorithm {
            Algorithm::Internet => {
                field::write_u16(head, self.field + moved, self.internet(frame));
            }
            Algorithm::Crc32c => {
                // Least significant byte first (RFC 9260 appendix A).
                let sum = CRC32C.checksum(self.covered(frame)).swap_bytes();
                field::write_u32(head, self.field + moved, sum);
            }
        }
    }

    /// A sum that would give 0 gives 0xffff, for UDP as RFC 768 demands and for
    /// the rest because the kernel's software does the same (net/core/dev.c
    /// `skb_checksum_help`).
    #[inline]
    fn internet(&self, frame: &[u8]) -> u16 {
        never_zero(Sum::of(self.covered(frame)).checksum())
    }

    fn covered<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.start..self.end).unwrap_or_default()
    }
}

/// 0xffff for 0, which in UDP means that there is no checksum (RFC 768).
#[must_use]
#[inline]
pub fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { u16::MAX } else { checksum }
}

/// By value, in a tunnel.
fn inside(frame: &[u8], headers: &Headers) -> Option<Partial> {
    let tunnel = Tunnel::by_content(frame, headers)?;
    match tunnel.parse(frame, Extent::Header).ok()? {
        Headers::Transport(transport) => Partial::of_transport(frame, &transport),
        Headers::Ip(packet) if packet.protocol == number::SCTP => Partial::of_sctp(frame, &packet),
        _ => None,
    }
}

/// Whether an SCTP header begins there.
fn is_sctp(headers: &Headers, at: usize) -> bool {
    matches!(headers, Headers::Ip(packet)
        if packet.protocol == number::SCTP && packet.payload_at == at)
}
