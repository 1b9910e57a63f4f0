//! From record to wire-true frames.

use super::checksum::partial::ChecksumState;
use super::decode::{Record, VlanTag};
use super::headers::{
    ETHERNET_BYTES, Extent, Headers, Kind, MACS_BYTES, Protocol, Transport, field, parse,
};
use super::segment::{SuperFrame, lacks_ip_length, write_ip_length};
use super::vlan;
use crate::model::FrameBytes;

mod counts;

pub use counts::FramerCounts;

/// Room for the headers of one frame: the longest that are usual, Ethernet,
/// two tags, IPv4 with options and TCP with options. It grows where extension
/// headers are longer, and stays so.
const HEAD_BYTES: usize = ETHERNET_BYTES + 2 * 4 + 60 + 60;

/// Makes frames as the wire would have carried them out of records.
///
/// An ordinary packet becomes one frame: with its VLAN tag put back, and its
/// transport checksum completed where [`ChecksumState`] finds it partial. A
/// super-frame becomes as many as [`SuperFrame::cut`] makes of it. What is odd
/// on the wire stays odd, for the sensor to see: a packet whose headers
/// contradict themselves passes as it is, and is counted.
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

    /// Emits each frame of the record, in order. The bytes are valid during
    /// the call of `emit` alone.
    pub fn frames(&mut self, record: &Record<'_>, mut emit: impl FnMut(FrameBytes<'_>)) {
        self.counts.records += 1;
        if u32::try_from(record.data.len()) != Ok(record.skb_len) {
            self.counts.truncated += 1;
        } else if record.data.len() < ETHERNET_BYTES {
            self.counts.malformed_left_out += 1;
        } else if record.gso_size == 0 {
            self.ordinary(record, emit);
        } else {
            self.super_frame(record, &mut emit);
        }
    }

    fn super_frame(&mut self, record: &Record<'_>, emit: &mut impl FnMut(FrameBytes<'_>)) {
        let gso_size = usize::try_from(record.gso_size).unwrap_or(usize::MAX);
        let transport = match parse(record.data, Extent::Frame) {
            Ok(Headers::Transport(transport)) => transport,
            Ok(Headers::Other(_)) => {
                self.counts.unsegmentable += 1;
                return;
            }
            Err(_) => {
                self.counts.malformed_left_out += 1;
                return;
            }
        };
        if transport.end - transport.payload_at <= gso_size {
            self.single(record, &transport, emit);
            return;
        }
        let super_frame = SuperFrame {
            frame: record.data,
            transport,
            vlan: record.vlan,
            gso_size,
        };
        match super_frame.cut(&mut self.head, emit) {
            Ok(segments) => {
                self.counts.super_frames += 1;
                self.counts.segments += segments;
                self.counts.frames += segments;
                self.counts.vlan_put_back += u64::from(record.vlan.is_some());
                self.counts.by_kind(kind(&transport));
            }
            Err(_) => self.counts.unsegmentable += 1,
        }
    }

    /// A super-frame that is no longer than one packet. The kernel refuses to
    /// cut it; it is a packet like any other, but that BIG TCP may have left
    /// its IP length 0.
    fn single(
        &mut self,
        record: &Record<'_>,
        transport: &Transport,
        emit: &mut impl FnMut(FrameBytes<'_>),
    ) {
        match lacks_ip_length(record.data, transport) {
            Ok(true) => {
                self.counts.by_kind(kind(transport));
                self.transport_packet(record, transport, true, emit);
            }
            Ok(false) => self.ordinary(record, emit),
            Err(_) => self.counts.unsegmentable += 1,
        }
    }

    fn ordinary(&mut self, record: &Record<'_>, mut emit: impl FnMut(FrameBytes<'_>)) {
        match parse(record.data, Extent::Header) {
            Ok(Headers::Transport(transport)) => {
                self.counts.by_kind(kind(&transport));
                self.transport_packet(record, &transport, false, emit);
            }
            Ok(Headers::Other(kind)) => {
                self.counts.by_kind(kind);
                self.unchanged(record.data, record.vlan, &mut emit);
            }
            Err(_) => {
                self.counts.malformed_passed += 1;
                self.unchanged(record.data, record.vlan, &mut emit);
            }
        }
    }

    fn transport_packet(
        &mut self,
        record: &Record<'_>,
        transport: &Transport,
        lacks_length: bool,
        mut emit: impl FnMut(FrameBytes<'_>),
    ) {
        let data = record.data;
        let state = ChecksumState::by_value(data, transport);
        if state == ChecksumState::Final && !lacks_length {
            self.unchanged(data, record.vlan, &mut emit);
            return;
        }
        let (headers, payload) = data
            .split_at_checked(transport.payload_at)
            .unwrap_or((data, &[]));
        let moved = vlan::put_back(&mut self.head, headers, record.vlan);
        if let ChecksumState::Partial(partial) = state {
            field::write_u16(
                &mut self.head,
                partial.field + moved,
                partial.complete(data),
            );
            self.counts.checksums_completed += 1;
        }
        if lacks_length {
            write_ip_length(&mut self.head, transport, moved);
        }
        self.counts.vlan_put_back += u64::from(record.vlan.is_some());
        self.counts.frames += 1;
        emit(FrameBytes {
            head: &self.head,
            payload,
        });
    }

    /// Emits a frame that needs nothing but, perhaps, its tag.
    fn unchanged(
        &mut self,
        data: &[u8],
        tag: Option<VlanTag>,
        emit: &mut impl FnMut(FrameBytes<'_>),
    ) {
        self.counts.frames += 1;
        match (tag, data.split_at_checked(MACS_BYTES)) {
            (Some(_), Some((macs, rest))) => {
                vlan::put_back(&mut self.head, macs, tag);
                self.counts.vlan_put_back += 1;
                emit(FrameBytes {
                    head: &self.head,
                    payload: rest,
                });
            }
            _ => emit(FrameBytes {
                head: data,
                payload: &[],
            }),
        }
    }
}

fn kind(transport: &Transport) -> Kind {
    match transport.protocol {
        Protocol::Tcp => Kind::Tcp,
        Protocol::Udp => Kind::Udp,
    }
}
