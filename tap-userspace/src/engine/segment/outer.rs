//! The headers around a tunnel's inner packets: `__skb_udp_tunnel_segment`
//! (net/ipv4/udp_offload.c) and `gre_gso_segment` (net/ipv4/gre_offload.c).

use super::ip::{IpAt, IpHeader};
use super::layers::Outer;
use super::low_u16;
use super::transport::UDP_LENGTH;
use crate::engine::checksum::Sum;
use crate::engine::checksum::partial::never_zero;
use crate::engine::headers::tunnel::{Carrier, GRE_CHECKSUM_AT};
use crate::engine::headers::{UDP_CHECKSUM, field};

/// Writes the fields of a tunnel's headers that differ from frame to frame.
pub(super) struct OuterHeader {
    ip: IpHeader,
    carrier: Carrier,
    /// The UDP or GRE header.
    at: usize,
    /// The end of the inner packet's headers.
    payload_at: usize,
    checksum: Option<Sum>,
}

impl OuterHeader {
    /// `moved` is by how much the template's offsets are higher than those of
    /// the super-frame, which ended at `end`.
    pub(super) fn new(
        template: &[u8],
        outer: &Outer,
        moved: usize,
        end: usize,
        has_fixed_id: bool,
    ) -> Self {
        let tunnel = outer.tunnel;
        let at = tunnel.header_at + moved;
        let ip = IpAt {
            ip: tunnel.ip,
            at: tunnel.ip_at + moved,
            next_at: at,
            payload_at: template.len(),
        };
        let read = |offset| field::read_u16(template, at + offset).unwrap_or(0);
        // The field of a UDP header holds the pseudo-header's sum with the old
        // length; one of GRE has no pseudo-header.
        let pseudo_header = || match (tunnel.carrier, outer.has_own_length) {
            (Carrier::Udp, true) => {
                Sum::of_u16(read(UDP_CHECKSUM)) + Sum::of_u16(!read(UDP_LENGTH))
            }
            (Carrier::Udp, false) => {
                let old_length = u32::try_from(end - tunnel.header_at).unwrap_or(u32::MAX);
                Sum::of_u16(read(UDP_CHECKSUM)) + Sum::of_u32(!old_length)
            }
            (Carrier::Gre | Carrier::Ip, _) => Sum::default(),
        };
        Self {
            ip: IpHeader::new(template, ip, has_fixed_id),
            carrier: tunnel.carrier,
            at,
            payload_at: template.len(),
            checksum: outer.has_checksum.then(pseudo_header),
        }
    }

    /// Writes them for the next frame, when its inner headers are written. Its
    /// payload has this length and sum.
    pub(super) fn write(
        &mut self,
        template: &mut [u8],
        payload_len: usize,
        payload: Sum,
        wire_frames: u16,
    ) {
        self.ip.write(template, payload_len);
        self.ip.advance(wire_frames);
        let length = low_u16(self.payload_at - self.at + payload_len);
        match (self.carrier, self.checksum) {
            (Carrier::Udp, None) => field::write_u16(template, self.at + UDP_LENGTH, length),
            (Carrier::Udp, Some(pseudo_header)) => {
                field::write_u16(template, self.at + UDP_LENGTH, length);
                field::write_u16(template, self.at + UDP_CHECKSUM, 0);
                let sum = pseudo_header + Sum::of_u16(length) + self.sum(template, payload);
                field::write_u16(template, self.at + UDP_CHECKSUM, never_zero(sum.checksum()));
            }
            (Carrier::Gre, Some(_)) => {
                field::write_u32(template, self.at + GRE_CHECKSUM_AT, 0);
                let sum = self.sum(template, payload);
                field::write_u16(template, self.at + GRE_CHECKSUM_AT, sum.checksum());
            }
            (Carrier::Gre, None) | (Carrier::Ip, _) => {}
        }
    }

    /// The sum of everything from the tunnel's header on.
    fn sum(&self, template: &[u8], payload: Sum) -> Sum {
        let headers = template.get(self.at..self.payload_at).unwrap_or_default();
        let is_odd = headers.len() % 2 != 0;
        Sum::of(headers)
            + if is_odd {
                payload.at_odd_offset()
            } else {
                payload
            }
    }
}
