//! Cuts a super-frame into the frames that the wire would have carried, as the
//! kernel does for a device without segmentation offload:
//! `tcp_gso_segment` (net/ipv4/tcp_offload.c), `__udp_gso_segment`
//! (net/ipv4/udp_offload.c), `inet_gso_segment` (net/ipv4/af_inet.c) and
//! `ipv6_gso_segment` (net/ipv6/ip6_offload.c).
//!
//! Each frame's headers are the super-frame's, kept as one template in which
//! only the fields that differ are written; its payload stays where it is.
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
//! - Tunnels, beside UDP ones that are recognised by port and content: they
//!   are not cut.

use super::checksum::Sum;
use super::decode::VlanTag;
use super::headers::{Ip, Protocol, Transport, field};
use super::vlan;
use crate::model::FrameBytes;
use ip::IpHeader;
use transport::TransportHeader;

mod ip;
mod transport;
mod tunnel;

/// The longest IPv4 packet, and the longest payload of an IPv6 packet without
/// a jumbo option: what a 16-bit length can say (RFC 791, RFC 8200 section 3).
const IP_LENGTH_MAX: usize = 65_535;

/// Offset in an IPv6 packet of the option that a hop-by-hop header begins
/// with, and type and length of the jumbo payload option (RFC 2675 section 2).
const JUMBO_OPTION: usize = 40 + 2;
const JUMBO_TYPE_LENGTH: u16 = 0xc204;

/// Offset in a UDP header of its destination port.
const UDP_DESTINATION: usize = 2;

/// A super-frame that cannot be cut truly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a super-frame that cannot be cut truly")]
pub struct Unsegmentable;

/// A super-frame with TCP or UDP at its outermost, to be cut.
#[derive(Clone, Copy, Debug)]
pub struct SuperFrame<'a> {
    /// From its MAC addresses on.
    pub frame: &'a [u8],
    /// Where its parts are, read with [`super::headers::Extent::Frame`].
    pub transport: Transport,
    /// The tag that goes in front of its EtherType.
    pub vlan: Option<VlanTag>,
    /// Payload bytes of each frame but the last; more than 0.
    pub gso_size: usize,
}

impl SuperFrame<'_> {
    /// Emits its frames in order and returns how many they were. `template` is
    /// room for the headers, used again with every call.
    ///
    /// # Errors
    /// Before anything is emitted, when its frames could not be as on the
    /// wire: a tunnel, a jumbo header, or a `gso_size` whose packets no IP
    /// length can describe.
    pub fn cut(
        &self,
        template: &mut Vec<u8>,
        mut emit: impl FnMut(FrameBytes<'_>),
    ) -> Result<u64, Unsegmentable> {
        let at = self.transport;
        let payload = self.frame.get(at.payload_at..at.end).ok_or(Unsegmentable)?;
        self.check(payload)?;
        let headers = self.frame.get(..at.payload_at).ok_or(Unsegmentable)?;
        let moved = vlan::put_back(template, headers, self.vlan);
        let mut rewriter = Rewriter::new(template, &at, moved, payload.len());

        let mut segments = 0;
        let mut rest = payload;
        while !rest.is_empty() {
            let (part, after) = rest
                .split_at_checked(self.gso_size)
                .unwrap_or((rest, Default::default()));
            rewriter.write(template, part, after.is_empty());
            emit(FrameBytes {
                head: template,
                payload: part,
            });
            segments += 1;
            rest = after;
        }
        Ok(segments)
    }

    /// Whether each frame will be one that the wire can carry.
    fn check(&self, payload: &[u8]) -> Result<(), Unsegmentable> {
        let at = self.transport;
        let longest = at.counted_headers_len() + self.gso_size.min(payload.len());
        let in_tunnel = at.protocol == Protocol::Udp
            && field::read_u16(self.frame, at.transport_at + UDP_DESTINATION)
                .is_some_and(|port| tunnel::is_tunnel(port, payload));
        if longest > IP_LENGTH_MAX || in_tunnel || has_jumbo_header(self.frame, &at) {
            return Err(Unsegmentable);
        }
        Ok(())
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
    IpHeader::new(headers, transport, moved).write(headers, payload_len);
}

/// Whether BIG TCP's jumbo option is there (RFC 2675), which the kernel takes
/// out when it cuts (`ipv6_gso_segment`, `ipv6_has_hopopt_jumbo`): the only
/// option of the first extension header. An IP length of 0 alone is none: the
/// kernel does not look at it.
fn has_jumbo_header(frame: &[u8], transport: &Transport) -> bool {
    matches!(transport.ip, Ip::V6(v6) if v6.hop_by_hop)
        && transport.ip_length(frame) == Some(0)
        && field::read_u16(frame, transport.ip_at + JUMBO_OPTION) == Some(JUMBO_TYPE_LENGTH)
}

/// Writes the fields of the template that differ from frame to frame, with
/// the sums of what does not differ taken once.
struct Rewriter {
    ip: IpHeader,
    transport: TransportHeader,
}

impl Rewriter {
    fn new(template: &mut [u8], at: &Transport, moved: usize, payload_len: usize) -> Self {
        Self {
            ip: IpHeader::new(template, at, moved),
            transport: TransportHeader::new(template, at, moved, payload_len),
        }
    }

    fn write(&mut self, template: &mut [u8], part: &[u8], last: bool) {
        self.ip.write(template, part.len());
        self.ip.next();
        self.transport.write(template, part, last);
    }
}

/// The sum of a header, with the 16-bit fields at these offsets taken as 0.
fn without(header: &[u8], fields: &[usize]) -> Sum {
    fields.iter().fold(Sum::of(header), |sum, &at| {
        // What the inverse adds is 0xffff in all: 0 in ones' complement.
        sum + Sum::of_u16(!field::read_u16(header, at).unwrap_or(0))
    })
}

/// A length that [`SuperFrame::check`] has found to fit.
fn low_u16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}
