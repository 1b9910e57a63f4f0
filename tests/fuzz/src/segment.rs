//! From any record to frames.

use tap_common::{Direction, LinkLayer};

use crate::checksum::folded;
use crate::{
    engine::{
        decode::Record,
        framer::{Framer, FramerCounts},
        headers::{Extent, Headers, Transport},
        link::parse_record,
        offload::SkbChecksum,
        segment::Layers,
    },
    model::FrameBytes,
    record::{from_input, read, segment},
    super_frame,
    wire::{crc32c, field, ip_holds, is_complete, is_partial},
};

/// Panics unless the frames of any record are whole, in order, as long as they
/// shall be, true, and counted.
pub fn check(input: &[u8]) {
    let Some(bytes) = from_input(input) else {
        return;
    };
    let record = read(&bytes).expect("a record");
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    framer.frames(&record, segment(input), |frame: FrameBytes<'_>| {
        frames.push((frame.head.to_vec(), frame.payload.to_vec()));
    });
    let counts = *framer.counts();
    counts_close(&counts, frames.len());
    if record.skb_len as usize != record.data.len() {
        assert_eq!(counts.truncated, 1, "a record without its whole packet");
    }
    if frames.is_empty() {
        assert_eq!(counts.left_out(), 1, "neither left out nor emitted");
        return;
    }
    let tagged = counts.vlan_put_back == 1;
    assert_eq!(tagged, record.vlan.is_some(), "a tag that was put back");
    let frames: Vec<_> = frames
        .iter()
        .map(|(head, payload)| (without_link(&record, head, payload), payload.len()))
        .collect();
    if counts.super_frames == 0 {
        assert_eq!(frames.len(), 1, "frames of an ordinary packet");
        ordinary(&record, &frames[0].0, &counts);
    } else {
        super_frame::check(&record, segment(input), &frames, &counts);
    }
}

/// How many frames an input's super-frame is cut into; 0 if it is none.
#[cfg(test)]
pub fn cut(input: &[u8]) -> u64 {
    let bytes = from_input(input).expect("an input with a shape");
    let mut framer = Framer::new();
    framer.frames(&read(&bytes).expect("a record"), segment(input), |_| {});
    framer.counts().segments
}

/// One record was given, and is in one place; so is each frame.
fn counts_close(counts: &FramerCounts, emitted: usize) {
    let kinds = counts.tcp
        + counts.udp
        + counts.sctp
        + counts.icmp
        + counts.arp
        + counts.fragment
        + counts.other_ip
        + counts.non_ip;
    let places = kinds + counts.malformed_passed + counts.left_out();
    assert_eq!(counts.records, 1, "{counts:?}");
    assert_eq!(places, 1, "{counts:?}");
    assert_eq!(counts.frames, emitted as u64, "{counts:?}");
    assert_eq!(
        counts.frames,
        counts.records - counts.left_out() - counts.super_frames + counts.segments,
        "{counts:?}"
    );
    // Ordinary packets are completed, super-frames are cut.
    assert!(
        counts.checksums_completed + counts.super_frames <= 1,
        "{counts:?}"
    );
    assert!(counts.tunnel <= counts.super_frames, "{counts:?}");
    assert!(counts.inferred <= counts.super_frames, "{counts:?}");
}

/// A frame as its packet lay in the skb: without what [`crate::engine::link`]
/// added, which is looked at.
fn without_link(record: &Record<'_>, head: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = [head, payload].concat();
    if let Some(tag) = record.vlan {
        let bytes: Vec<u8> = frame.drain(12..16).collect();
        let expected = [tag.proto.to_be_bytes(), tag.tci.to_be_bytes()].concat();
        assert_eq!(bytes, expected, "the tag");
    }
    if record.link_layer == LinkLayer::Ip {
        let header: Vec<u8> = frame.drain(..14).collect();
        let pod_at = match record.direction {
            Direction::In => 0,
            Direction::Out => 6,
        };
        assert_eq!(header[pod_at..pod_at + 2], [0x02, 0x70], "the pod's side");
        assert_eq!(header[12..], record.protocol.to_be_bytes(), "its protocol");
    }
    frame
}

/// A packet that was not cut is as it was, but for its checksum, where it was
/// partial, and for an IP length that BIG TCP left out.
fn ordinary(record: &Record<'_>, packet: &[u8], counts: &FramerCounts) {
    let data = record.data;
    assert_eq!(packet.len(), data.len(), "its length");
    let lacking = lacking(record);
    let headers = parse_record(record, Extent::Header).ok();
    let transport = match (lacking, headers) {
        (Some(transport), _) | (None, Some(Headers::Transport(transport))) => Some(transport),
        _ => None,
    };
    let mut changed: Vec<usize> = (0..data.len())
        .filter(|&at| packet[at] != data[at])
        .collect();
    if let Some(transport) = lacking {
        ip_holds(packet, transport.ip_at);
        // Lengths, and the IPv4 header's checksum.
        let written = [2, 3, 4, 5, 10, 11].map(|offset| transport.ip_at + offset);
        changed.retain(|at| !written.contains(at));
    }
    let completed = counts.checksums_completed == 1;
    match record.checksum {
        SkbChecksum::Final => assert!(!completed, "a checksum that is final"),
        SkbChecksum::Partial { start, field } => {
            if !completed {
                assert_eq!(counts.malformed_passed, 1, "neither completed nor odd");
            } else if lacking.is_none_or(|transport| start >= transport.transport_at) {
                told(record, packet, (start, field), headers.as_ref());
            }
            changed.retain(|&at| !completed || !(field..field + 4).contains(&at));
        }
        SkbChecksum::Unknown => {
            if let Some(transport) = &transport {
                let length = transport.end - transport.transport_at;
                if is_partial(data, transport, length) {
                    assert!(completed && is_complete(packet, transport), "{packet:02x?}");
                }
            }
            if let (true, Some(&first)) = (completed, changed.first()) {
                changed.retain(|&at| at >= first + 4);
            }
        }
    }
    assert_eq!(changed, [], "changed: {packet:02x?}, {counts:?}");
}

/// The parts of a packet that is no tunnel and whose IP length was left out.
fn lacking(record: &Record<'_>) -> Option<Transport> {
    if record.gso_size == 0 {
        return None;
    }
    let layers = Layers::of(record).ok()?;
    let transport = *layers.transport();
    let is_lacking = !layers.is_tunnel() && transport.ip_length(record.data) == Some(0);
    is_lacking.then_some(transport)
}

/// What the kernel says is partial is summed from its start to the end of the
/// packet, with whatever its field held.
fn told(
    record: &Record<'_>,
    packet: &[u8],
    (start, at): (usize, usize),
    headers: Option<&Headers>,
) {
    let is_sctp = matches!(headers, Some(Headers::Ip(ip))
        if ip.protocol == 132 && ip.payload_at == start && at == start + 8);
    let is_crc =
        || packet.get(at..at + 4) == Some(&crc32c(&record.data[start..]).to_le_bytes()[..]);
    let is_sum = || {
        let before = field(record.data, at).to_be_bytes();
        (at - start) % 2 == 1 || folded(&[&packet[start..], &before]) == 0xffff
    };
    assert!(is_crc() || !is_sctp && is_sum(), "{packet:02x?}");
}
