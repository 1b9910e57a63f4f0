//! A super-frame and the frames that it was cut into.

use crate::{
    checksum::folded,
    engine::{
        decode::Record,
        framer::FramerCounts,
        headers::{Extent, Headers, Ip, Protocol, Transport},
        link::parse_record,
        offload::{GsoType, SkbChecksum},
        segment::Layers,
    },
    model::{JUMBO_IP_BYTES, Segment},
    wire::{field, ip_holds, is_complete, is_direct, is_partial},
};

/// Bytes of BIG TCP's hop-by-hop header (RFC 2675 section 2).
const JUMBO_BYTES: usize = 8;
const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// The headers around a tunnel's inner packet.
enum Outer {
    Udp(Transport),
    /// Where its IP header and its own one are.
    Gre(usize, usize),
    Ip(usize),
}

/// Where everything is, in the record and in each of its frames.
struct Shape {
    outer: Option<Outer>,
    /// What was cut, in the record's packet.
    whole: Transport,
    /// Bytes of the jumbo header that was taken out.
    removed: usize,
    /// Payload bytes of each frame but the last.
    unit: usize,
    /// Frames of the wire that such a frame stands for.
    wire_frames: u16,
}

/// Panics unless these packets, each with the length of its payload, are what
/// the wire carries of the super-frame.
pub fn check(
    record: &Record<'_>,
    segment: Segment,
    frames: &[(Vec<u8>, usize)],
    counts: &FramerCounts,
) {
    let shape = Shape::of(record, segment, frames);
    assert_eq!(counts.tunnel == 1, shape.outer.is_some(), "{counts:?}");
    let mut payload = Vec::new();
    for (index, (packet, payload_len)) in frames.iter().enumerate() {
        let is_last = index + 1 == frames.len();
        if is_last {
            assert!(*payload_len <= shape.unit, "the last frame's payload");
        } else {
            assert_eq!(*payload_len, shape.unit, "the payload of frame {index}");
        }
        let headers_len = packet.len() - payload_len;
        assert_eq!(headers_len, shape.whole.payload_at - shape.removed);
        shape.headers_hold(record, packet, index, is_last);
        shape.checksums_hold(record, packet);
        payload.extend_from_slice(&packet[headers_len..]);
    }
    let expected = &record.data[shape.whole.payload_at..];
    assert_eq!(payload, expected, "the payload");
}

impl Shape {
    fn of(record: &Record<'_>, segment: Segment, frames: &[(Vec<u8>, usize)]) -> Self {
        let layers = Layers::of(record).expect("layers of what was cut");
        let whole = *layers.transport();
        let outer = layers.is_tunnel().then(|| outer(record));
        let (first, payload_len) = &frames[0];
        let headers_len = first.len() - payload_len;
        let removed = whole.payload_at - headers_len;
        if removed > 0 {
            is_jumbo_header(record.data, &whole, removed);
        }
        let gso_size = record.gso_size as usize;
        let ip_at = outer.as_ref().map_or(whole.ip_at, Outer::ip_at);
        let wire_frames = match (segment, whole.protocol) {
            (Segment::Jumbo, Protocol::Tcp) => {
                let room = JUMBO_IP_BYTES.saturating_sub(headers_len - ip_at);
                (room / gso_size).max(1)
            }
            (Segment::Wire, _) | (Segment::Jumbo, Protocol::Udp) => 1,
        };
        Self {
            outer,
            whole,
            removed,
            unit: gso_size * wire_frames,
            wire_frames: wire_frames as u16,
        }
    }

    /// Lengths, identifications and sequence numbers; the rest of the headers
    /// is that of the super-frame.
    fn headers_hold(&self, record: &Record<'_>, packet: &[u8], index: usize, is_last: bool) {
        let mut expected = record.data[..self.whole.payload_at].to_vec();
        if self.removed > 0 {
            let at = self.whole.ip_at + 40;
            expected.drain(at..at + self.removed);
            expected[self.whole.ip_at + 6] = 6;
        }
        let before = (index as u16).wrapping_mul(self.wire_frames);
        let is_fixed = |any_of| record.gso_type.is_some_and(|gso_type| gso_type.has(any_of));
        let inner = self.whole.in_template(0, self.removed);
        // Takes over a field that is looked at elsewhere.
        let mut take = |from: usize, to: usize| {
            expected[from..to].copy_from_slice(&packet[from..to]);
        };
        let ips = [self.outer.as_ref().map(Outer::ip_at), Some(inner.ip_at)];
        for (at, is_inner) in ips.into_iter().zip([false, true]) {
            let Some(at) = at else { continue };
            ip_holds(packet, at);
            if packet[at] >> 4 == 4 {
                let is_fixed = is_inner && is_fixed(GsoType::TCP_FIXEDID_INNERMOST);
                let counted = if is_fixed { 0 } else { before };
                let id = field(record.data, at + 4).wrapping_add(counted);
                assert_eq!(field(packet, at + 4), id, "identification at {at}");
                take(at + 2, at + 6);
                take(at + 10, at + 12);
            } else {
                take(at + 4, at + 6);
            }
        }
        match &self.outer {
            Some(Outer::Udp(udp)) => {
                udp_length(packet, udp.transport_at);
                take(udp.transport_at + 4, udp.transport_at + 6);
                if has_udp_checksum(record, udp.transport_at) {
                    take(udp.transport_at + 6, udp.transport_at + 8);
                }
            }
            Some(Outer::Gre(_, at)) if has_gre_checksum(record, *at) => take(*at + 4, *at + 8),
            Some(Outer::Gre(..) | Outer::Ip(_)) | None => {}
        }
        let at = inner.transport_at;
        match inner.protocol {
            Protocol::Udp => {
                udp_length(packet, at);
                take(at + 4, at + 8);
            }
            Protocol::Tcp => {
                let sequence = |bytes: &[u8], at: usize| {
                    let bytes = bytes[at + 4..].first_chunk().expect("a sequence number");
                    u32::from_be_bytes(*bytes)
                };
                let sent = (index as u32).wrapping_mul(self.unit as u32);
                let first = sequence(record.data, self.whole.transport_at);
                assert_eq!(sequence(packet, at), first.wrapping_add(sent));
                let flags = record.data[self.whole.transport_at + 13];
                let cleared = if is_last { 0 } else { FIN_PSH } | if index == 0 { 0 } else { CWR };
                assert_eq!(packet[at + 13], flags & !cleared, "flags of {index}");
                take(at + 4, at + 8);
                take(at + 13, at + 14);
                take(at + 16, at + 18);
            }
        }
        assert_eq!(expected, packet[..expected.len()], "headers of {index}");
    }

    /// Sums that the super-frame left to be made are right; those that it had
    /// wrong are as wrong.
    fn checksums_hold(&self, record: &Record<'_>, packet: &[u8]) {
        let mut inner = self.whole.in_template(0, self.removed);
        inner.end = packet.len();
        let is_list = record
            .gso_type
            .is_some_and(|gso_type| gso_type.has(GsoType::FRAGLIST));
        let is_anew = is_list
            || self.whole.protocol == Protocol::Tcp && record.checksum == SkbChecksum::Final;
        let length = match self.whole.protocol {
            Protocol::Tcp => self.whole.end - self.whole.transport_at,
            // `__udp_gso_segment` believes the header's own length.
            Protocol::Udp => usize::from(field(record.data, self.whole.transport_at + 4)),
        };
        let is_true = if is_anew {
            is_direct(&self.whole)
        } else {
            is_partial(record.data, &self.whole, length)
        };
        if is_true {
            assert!(is_complete(packet, &inner), "{packet:02x?}");
        }
        match self.outer.as_ref() {
            Some(Outer::Udp(udp)) => {
                let at = udp.transport_at;
                let is_own = record
                    .gso_type
                    .is_some_and(|gso_type| gso_type.has(GsoType::PARTIAL));
                let length = if is_own {
                    usize::from(field(record.data, at + 4))
                } else {
                    record.data.len() - at
                };
                if has_udp_checksum(record, at) && is_partial(record.data, udp, length) {
                    let outer = Transport {
                        end: packet.len(),
                        ..*udp
                    };
                    assert!(is_complete(packet, &outer), "{packet:02x?}");
                }
            }
            Some(Outer::Gre(_, at)) if has_gre_checksum(record, *at) => {
                assert_eq!(folded(&[&packet[*at..]]), 0xffff, "{packet:02x?}");
            }
            Some(Outer::Gre(..) | Outer::Ip(_)) | None => {}
        }
    }
}

impl Outer {
    fn ip_at(&self) -> usize {
        match self {
            Self::Udp(udp) => udp.ip_at,
            Self::Gre(ip_at, _) | Self::Ip(ip_at) => *ip_at,
        }
    }
}

fn outer(record: &Record<'_>) -> Outer {
    match parse_record(record, Extent::Frame) {
        Ok(Headers::Transport(udp)) if udp.protocol == Protocol::Udp => Outer::Udp(udp),
        Ok(Headers::Ip(ip)) if ip.protocol == 47 => Outer::Gre(ip.ip_at, ip.payload_at),
        Ok(Headers::Ip(ip)) if [4, 41].contains(&ip.protocol) => Outer::Ip(ip.ip_at),
        other => panic!("a tunnel in {other:?}"),
    }
}

/// Panics unless what was taken out is a header with the jumbo option alone,
/// between IPv6 and TCP, of a packet that no IPv6 length describes.
fn is_jumbo_header(data: &[u8], whole: &Transport, removed: usize) {
    let at = whole.ip_at + 40;
    assert_eq!(removed, JUMBO_BYTES, "bytes that were taken out");
    assert!(matches!(whole.ip, Ip::V6(_)), "{whole:?}");
    assert_eq!(data[at..at + 4], [6, 0, 0xc2, 4], "{whole:?}");
    assert!(data.len() - at > 65_535, "{whole:?}");
}

/// Whether a UDP tunnel's checksum is to be made.
fn has_udp_checksum(record: &Record<'_>, at: usize) -> bool {
    match record.gso_type {
        Some(gso_type) => gso_type.has(GsoType::UDP_TUNNEL_CSUM),
        None => field(record.data, at + 6) != 0,
    }
}

/// The same of GRE.
fn has_gre_checksum(record: &Record<'_>, at: usize) -> bool {
    match record.gso_type {
        Some(gso_type) => gso_type.has(GsoType::GRE_CSUM),
        None => record.data[at] & 0x80 != 0,
    }
}

fn udp_length(packet: &[u8], at: usize) {
    assert_eq!(usize::from(field(packet, at + 4)), packet.len() - at);
}
