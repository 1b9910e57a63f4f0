//! Cuts a super-frame into the frames that the wire would have carried, as the
//! kernel does for a device without segmentation offload:
//! `tcp_gso_segment` (net/ipv4/tcp_offload.c), `__udp_gso_segment`
//! (net/ipv4/udp_offload.c), `inet_gso_segment` (net/ipv4/af_inet.c) and
//! `ipv6_gso_segment` (net/ipv6/ip6_offload.c).
//!
//! Each frame's headers are the super-frame's, kept as one template in which
//! only the fields that differ are written; its payload stays where it is.
//!
//! A tunnel's outer headers are written around each inner packet:
//! `__skb_udp_tunnel_segment`, `gre_gso_segment`.
//!
//! # What is not known without `gso_type`
//! - A fixed IP ID (`SKB_GSO_TCP_FIXEDID`): the ID is always counted up.
//! - Accurate ECN (`SKB_GSO_TCP_ACCECN`), which keeps CWR on every segment:
//!   CWR is always on the first alone (RFC 3168 section 6.1.2).
//! - UDP fragmentation offload (`SKB_GSO_UDP`), which would make IP fragments;
//!   no socket has made one since Linux 4.14. Cut into datagrams.
//! - Whether the checksum field holds the pseudo-header's sum. The kernel
//!   makes its super-frames so, and where one is marked otherwise it computes
//!   the sum anew (`tcp4_gso_segment`); here it is taken as partial, and one
//!   that is not gives segments that are as wrong as it was.
//! - Fragment lists (`SKB_GSO_FRAGLIST`), whose boundaries are those of the
//!   packets that were received: cut at `gso_size` like any other.
//! - UDP tunnels to other ports than the usual ones: cut into datagrams, as if
//!   they were UDP super-frames.

use super::checksum::{Sum, pseudo_header};
use super::headers::{IPV6_BYTES, Ip, Protocol, Transport, field, number};
use super::link::Link;
use crate::model::{FrameBytes, JUMBO_IP_BYTES, Segment};
use ip::{IpAt, IpHeader};
pub use layers::{Layers, LayersError};
use outer::OuterHeader;
use transport::TransportHeader;

mod ip;
mod layers;
mod outer;
mod transport;

/// The longest IPv4 packet, and the longest payload of an IPv6 packet without
/// a jumbo option: what a 16-bit length can say (RFC 791, RFC 8200 section 3).
const IP_LENGTH_MAX: usize = 65_535;

/// The hop-by-hop header in which BIG TCP has its length: its bytes, and
/// offsets of the next header, of its own length, and of the jumbo payload
/// option's type and length (RFC 2675 section 2; include/net/ipv6.h
/// `struct hop_jumbo_hdr`).
const JUMBO_BYTES: usize = 8;
const JUMBO_NEXT_LENGTH: u16 = (number::TCP as u16) << 8;
const JUMBO_OPTION: usize = 2;
const JUMBO_TYPE_LENGTH: u16 = 0xc204;
/// An skb of up to this many bytes from its IP header on has none
/// (include/linux/netdevice.h `GRO_LEGACY_MAX_SIZE`).
const LEGACY_BYTES_MAX: usize = 65_536;
/// Offset in an IPv6 header of the number of the next one.
const IPV6_NEXT_HEADER: usize = 6;

/// A super-frame that cannot be cut truly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a super-frame that cannot be cut truly")]
pub struct Unsegmentable;

/// A super-frame, to be cut.
#[derive(Clone, Copy, Debug)]
pub struct SuperFrame<'a> {
    /// The packet as it lay in the skb.
    pub frame: &'a [u8],
    /// What it is made of.
    pub layers: Layers,
    /// How its frames begin.
    pub link: Link,
    /// Payload bytes of each frame of the wire but the last; more than 0.
    pub gso_size: usize,
    /// How long its frames shall be.
    pub segment: Segment,
}

impl SuperFrame<'_> {
    /// Emits its frames in order and returns how many they were. `template` is
    /// room for the headers, used again with every call.
    ///
    /// # Errors
    /// Before anything is emitted, when its frames could not be as on the
    /// wire: a jumbo header where BIG TCP has none, or a `gso_size` whose
    /// packets no IP length can describe.
    pub fn cut(
        &self,
        template: &mut Vec<u8>,
        mut emit: impl FnMut(FrameBytes<'_>),
    ) -> Result<u64, Unsegmentable> {
        let at = self.layers.transport;
        let payload = self.frame.get(at.payload_at..at.end).ok_or(Unsegmentable)?;
        let headers = self.frame.get(..at.payload_at).ok_or(Unsegmentable)?;
        let removed = self.jumbo_bytes()?;
        let unit = self.frame_payload_len(removed);
        let counted_headers_len = at.payload_at - self.layers.counted_from() - removed;
        if counted_headers_len + unit.min(payload.len()) > IP_LENGTH_MAX {
            return Err(Unsegmentable);
        }
        let moved = self.link.begin(template, headers);
        if removed > 0 {
            remove_jumbo_header(template, at.ip_at + moved);
        }
        let mut rewriter = Rewriter::new(self, template, moved, removed);

        let mut segments = 0;
        let mut rest = payload;
        // Without a payload, as a packet in a tunnel may be, there is one too.
        loop {
            let (part, after) = rest
                .split_at_checked(unit)
                .unwrap_or((rest, Default::default()));
            let wire_frames = if unit == self.gso_size {
                1
            } else {
                low_u16(part.len().div_ceil(self.gso_size))
            };
            rewriter.write(template, part, wire_frames, after.is_empty());
            emit(FrameBytes {
                head: template,
                payload: part,
            });
            segments += 1;
            rest = after;
            if rest.is_empty() {
                return Ok(segments);
            }
        }
    }

    /// Payload bytes of each frame but the last.
    fn frame_payload_len(&self, removed: usize) -> usize {
        let at = self.layers.transport;
        match (self.segment, at.protocol) {
            (Segment::Jumbo, Protocol::Tcp) => {
                let headers_len = at.payload_at - self.layers.ip_at() - removed;
                let fits = JUMBO_IP_BYTES.saturating_sub(headers_len) / self.gso_size.max(1);
                self.gso_size * fits.max(1)
            }
            (Segment::Wire, _) | (Segment::Jumbo, Protocol::Udp) => self.gso_size,
        }
    }

    /// Bytes of BIG TCP's jumbo header, which the kernel takes out of each
    /// frame (`ipv6_gso_segment`, `ipv6_has_hopopt_jumbo`).
    fn jumbo_bytes(&self) -> Result<usize, Unsegmentable> {
        let at = self.layers.transport;
        if !has_jumbo_header(self.frame, &at) {
            return Ok(0);
        }
        let is_big_tcp = self.layers.outer.is_none()
            && at.end - at.ip_at > LEGACY_BYTES_MAX
            && field::read_u16(self.frame, at.ip_at + IPV6_BYTES) == Some(JUMBO_NEXT_LENGTH);
        is_big_tcp.then_some(JUMBO_BYTES).ok_or(Unsegmentable)
    }
}

/// Takes the jumbo header out of a packet's headers, whose IPv6 header is at
/// `ip_at`.
fn remove_jumbo_header(headers: &mut Vec<u8>, ip_at: usize) {
    let at = ip_at + IPV6_BYTES;
    if at + JUMBO_BYTES <= headers.len() {
        headers.drain(at..at + JUMBO_BYTES);
    }
    if let Some(next_header) = headers.get_mut(ip_at + IPV6_NEXT_HEADER) {
        *next_header = number::TCP;
    }
}

/// Whether the IP header of a super-frame that is no longer than one packet
/// lacks its length: BIG TCP leaves 0 there (include/linux/ip.h
/// `iph_set_totlen`).
///
/// # Errors
/// When it does and [`write_ip_length`] cannot make it true: no length can
/// describe the packet, or a jumbo header would have to go.
pub fn lacks_ip_length(frame: &[u8], transport: &Transport) -> Result<bool, Unsegmentable> {
    if transport.ip_length(frame) != Some(0) {
        return Ok(false);
    }
    let length = transport.counted_headers_len() + (transport.end - transport.payload_at);
    if length > IP_LENGTH_MAX || has_jumbo_header(frame, transport) {
        return Err(Unsegmentable);
    }
    Ok(true)
}

/// Writes the length of an IP packet that is not cut into its headers, which
/// begin as the frame did that `transport` was read from, with everything from
/// the IP header on `moved` bytes later.
pub fn write_ip_length(headers: &mut [u8], transport: &Transport, moved: usize) {
    let payload_len = transport.end - transport.payload_at;
    let at = ip_at(&transport.in_template(moved, 0));
    IpHeader::new(headers, at, true).write(headers, payload_len);
}

/// Whether BIG TCP's jumbo option is there (RFC 2675): the only option of the
/// first extension header. An IP length of 0 alone is none: the kernel does not
/// look at it.
fn has_jumbo_header(frame: &[u8], transport: &Transport) -> bool {
    matches!(transport.ip, Ip::V6(v6) if v6.hop_by_hop)
        && transport.ip_length(frame) == Some(0)
        && frame.get(transport.ip_at + IPV6_NEXT_HEADER) == Some(&0)
        && field::read_u16(frame, transport.ip_at + IPV6_BYTES + JUMBO_OPTION)
            == Some(JUMBO_TYPE_LENGTH)
}

/// The IP header under a transport header.
fn ip_at(transport: &Transport) -> IpAt {
    IpAt {
        ip: transport.ip,
        at: transport.ip_at,
        next_at: transport.transport_at,
        payload_at: transport.payload_at,
    }
}

/// Writes the fields of the template that differ from frame to frame, with
/// the sums of what does not differ taken once.
struct Rewriter {
    outer: Option<OuterHeader>,
    ip: IpHeader,
    transport: TransportHeader,
}

impl Rewriter {
    fn new(super_frame: &SuperFrame<'_>, template: &[u8], moved: usize, removed: usize) -> Self {
        let Layers {
            outer,
            transport,
            rules,
        } = &super_frame.layers;
        let at = transport.in_template(moved, removed);
        let anew = rules
            .sums_anew
            .then(|| pseudo_header::as_in_ip_header(super_frame.frame, transport))
            .flatten();
        Self {
            outer: outer.as_ref().map(|outer| {
                OuterHeader::new(
                    template,
                    outer,
                    moved,
                    transport.end,
                    rules.has_fixed_outer_id,
                )
            }),
            ip: IpHeader::new(template, ip_at(&at), rules.has_fixed_id),
            transport: TransportHeader::new(template, &at, anew, rules.keeps_cwr),
        }
    }

    fn write(&mut self, template: &mut [u8], part: &[u8], wire_frames: u16, last: bool) {
        let payload = Sum::of(part);
        self.ip.write(template, part.len());
        self.ip.advance(wire_frames);
        self.transport.write(template, part.len(), payload, last);
        if let Some(outer) = &mut self.outer {
            outer.write(template, part.len(), payload, wire_frames);
        }
    }
}

/// The sum of a header, with the 16-bit fields at these offsets taken as 0.
fn without(header: &[u8], fields: &[usize]) -> Sum {
    fields.iter().fold(Sum::of(header), |sum, &at| {
        // What the inverse adds is 0xffff in all: 0 in ones' complement.
        sum + Sum::of_u16(!field::read_u16(header, at).unwrap_or(0))
    })
}

/// A length that [`SuperFrame::cut`] has found to fit.
fn low_u16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}
