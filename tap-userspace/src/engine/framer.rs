//! From record to wire-true frames.

use super::checksum::partial::Partial;
use super::decode::Record;
use super::headers::{ETHERNET_BYTES, Extent, Headers, MACS_BYTES, Malformed};
use super::link::{LINK_BYTES_MAX, Link, parse_record};
use super::offload::SkbChecksum;
use super::segment::{Layers, LayersError, SuperFrame, lacks_ip_length, write_ip_length};
use crate::model::{FrameBytes, Segment};
use tap_common::LinkLayer;

mod counts;

pub use counts::FramerCounts;

/// Room for the headers of one frame: the longest that are usual, those of
/// TCP over IPv6 in a tunnel over IPv6. It grows where extension headers are
/// longer, and stays so.
const HEAD_BYTES: usize = LINK_BYTES_MAX + 4 + 40 + 8 + 8 + ETHERNET_BYTES + 40 + 60;

/// Makes frames as the wire would have carried them out of records.
///
/// An ordinary packet becomes one frame: with its VLAN tag put back, or an
/// Ethernet header made up where its device has none ([`Link`]), and its
/// checksum completed where it is partial ([`Partial`]). A super-frame becomes
/// as many as [`SuperFrame::cut`] makes of it. What is odd on the wire stays
/// odd, for the sensor to see: a packet whose headers contradict themselves
/// passes as it is, and is counted.
///
/// Left out, and counted, is what no true frame can be made of: records that
/// do not hold their whole packet, runts, and super-frames that cannot be
/// read or cut.
#[derive(Debug)]
pub struct Framer {
    /// The rewritten headers of the frame that is being emitted.
    head: Vec<u8>,
    counts: FramerCounts,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer {
    /// With all counts at 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            head: Vec::with_capacity(HEAD_BYTES),
            counts: FramerCounts::default(),
        }
    }

    /// What has become of the records so far.
    #[must_use]
    pub fn counts(&self) -> &FramerCounts {
        &self.counts
    }

    /// Emits each frame of the record, in order; `segment` says how long those
    /// of a super-frame shall be. The bytes are valid during the call of `emit`
    /// alone.
    pub fn frames(
        &mut self,
        record: &Record<'_>,
        segment: Segment,
        mut emit: impl FnMut(FrameBytes<'_>),
    ) {
        self.counts.records += 1;
        let shortest = match record.link_layer {
            LinkLayer::Ethernet => ETHERNET_BYTES,
            LinkLayer::Ip => 1,
        };
        if u32::try_from(record.data.len()) != Ok(record.skb_len) {
            self.counts.truncated += 1;
        } else if record.data.len() < shortest {
            self.counts.malformed_left_out += 1;
        } else if record.gso_size == 0 {
            self.ordinary(record, &mut emit);
        } else {
            self.super_frame(record, segment, &mut emit);
        }
    }

    fn super_frame(
        &mut self,
        record: &Record<'_>,
        segment: Segment,
        emit: &mut impl FnMut(FrameBytes<'_>),
    ) {
        let layers = match Layers::of(record) {
            Ok(layers) => layers,
            Err(LayersError::Malformed(_)) => {
                self.counts.malformed_left_out += 1;
                return;
            }
            Err(LayersError::Unsegmentable(_)) => {
                self.counts.unsegmentable += 1;
                return;
            }
        };
        let gso_size = usize::try_from(record.gso_size).unwrap_or(usize::MAX);
        if layers.payload_len() <= gso_size && !layers.is_unfinished_tunnel(record) {
            self.single(record, &layers, emit);
            return;
        }
        let link = Link::of(record);
        let super_frame = SuperFrame {
            frame: record.data,
            layers,
            link,
            gso_size,
            segment,
        };
        let Ok(segments) = super_frame.cut(&mut self.head, emit) else {
            self.counts.unsegmentable += 1;
            return;
        };
        self.counts.super_frames += 1;
        self.counts.segments += segments;
        self.counts.frames += segments;
        self.counts.tunnel += u64::from(layers.is_tunnel());
        self.counts.inferred += u64::from(layers.is_inferred());
        self.counts.vlan_put_back += u64::from(link.has_tag());
        self.counts.by_kind(layers.kind());
    }

    /// A super-frame that is no longer than one packet. The kernel refuses to
    /// cut it; it is a packet like any other, but that BIG TCP may have left
    /// its IP length 0; not in a tunnel, where that is as odd as elsewhere.
    fn single(
        &mut self,
        record: &Record<'_>,
        layers: &Layers,
        emit: &mut impl FnMut(FrameBytes<'_>),
    ) {
        if layers.is_tunnel() {
            self.ordinary(record, emit);
            return;
        }
        let transport = layers.transport();
        match lacks_ip_length(record.data, transport) {
            Ok(true) => {
                let headers = Ok(Headers::Transport(*transport));
                self.packet(record, headers, true, emit);
            }
            Ok(false) => self.ordinary(record, emit),
            Err(_) => self.counts.unsegmentable += 1,
        }
    }

    fn ordinary(&mut self, record: &Record<'_>, emit: &mut impl FnMut(FrameBytes<'_>)) {
        self.packet(record, parse_record(record, Extent::Header), false, emit);
    }

    fn packet(
        &mut self,
        record: &Record<'_>,
        headers: Result<Headers, Malformed>,
        lacks_length: bool,
        emit: &mut impl FnMut(FrameBytes<'_>),
    ) {
        let headers = headers.as_ref().ok();
        let (partial, is_sound) = match record.checksum {
            SkbChecksum::Final => (None, true),
            SkbChecksum::Partial { start, field } => {
                let at = (start, field);
                // No header has one in the MAC addresses, which a tag may part
                // from the rest.
                let is_in_header = record.link_layer == LinkLayer::Ip || field >= MACS_BYTES;
                let told = is_in_header
                    .then(|| Partial::told(record.data, at, headers, record.inner_network_at))
                    .flatten();
                (told, told.is_some())
            }
            SkbChecksum::Unknown => {
                let by_value = headers.and_then(|headers| Partial::by_value(record.data, headers));
                (by_value, true)
            }
        };
        match headers {
            Some(headers) if is_sound => self.counts.by_kind(headers.kind()),
            _ => self.counts.malformed_passed += 1,
        }
        let transport = match headers {
            Some(Headers::Transport(transport)) => Some(transport),
            _ => None,
        };
        let headers_end = transport.map_or(0, |transport| transport.payload_at);
        let lacking = transport.filter(|_| lacks_length);
        if partial.is_none() && lacking.is_none() {
            self.unchanged(record, emit);
            return;
        }
        let changed_end =
            partial.map_or(headers_end, |partial| partial.field_end().max(headers_end));
        let (start, rest) = record
            .data
            .split_at_checked(changed_end)
            .unwrap_or((record.data, &[]));
        let link = Link::of(record);
        let moved = link.begin(&mut self.head, start);
        if let Some(partial) = partial {
            partial.complete(record.data, &mut self.head, moved);
            self.counts.checksums_completed += 1;
        }
        if let Some(transport) = lacking {
            write_ip_length(&mut self.head, transport, moved);
        }
        self.counts.vlan_put_back += u64::from(link.has_tag());
        self.counts.frames += 1;
        emit(FrameBytes {
            head: &self.head,
            payload: rest,
        });
    }

    /// Emits a packet that needs nothing but, perhaps, the beginning of its
    /// frame.
    fn unchanged(&mut self, record: &Record<'_>, emit: &mut impl FnMut(FrameBytes<'_>)) {
        self.counts.frames += 1;
        let link = Link::of(record);
        if link.is_whole() {
            emit(FrameBytes {
                head: record.data,
                payload: &[],
            });
            return;
        }
        let before = match record.link_layer {
            LinkLayer::Ethernet => MACS_BYTES,
            LinkLayer::Ip => 0,
        };
        let (start, rest) = record
            .data
            .split_at_checked(before)
            .unwrap_or((record.data, &[]));
        link.begin(&mut self.head, start);
        self.counts.vlan_put_back += u64::from(link.has_tag());
        emit(FrameBytes {
            head: &self.head,
            payload: rest,
        });
    }
}
