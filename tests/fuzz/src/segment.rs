//! From any record to frames.

use crate::{
    checksum::folded,
    engine::{
        decode::Record,
        framer::{Framer, FramerCounts},
        headers::{Extent, Headers, Ip, Protocol, Transport, parse},
    },
    record::{from_input, read},
};

/// Bytes of a VLAN tag.
const TAG_BYTES: usize = 4;
/// EtherTypes of tags that a parser reads on behind.
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// Panics unless the frames of any record are whole, in order, no longer than
/// they may be, and counted.
pub fn check(input: &[u8]) {
    let Some(bytes) = from_input(input) else {
        return;
    };
    let record = read(&bytes).expect("a record");
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    framer.frames(&record, |frame| {
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
    let whole: usize = frames
        .iter()
        .map(|(head, payload)| head.len() + payload.len())
        .sum();
    let tag = tag_bytes(&record);
    if counts.super_frames == 0 {
        assert_eq!(frames.len(), 1, "frames of an ordinary packet");
        assert_eq!(whole, record.data.len() + tag, "its length");
        return;
    }
    let (head_len, payload) = joined(&frames, record.gso_size as usize);
    let headers_len = head_len - tag;
    assert_eq!(
        whole,
        record.data.len() + tag + (frames.len() - 1) * head_len,
        "all lengths"
    );
    assert_eq!(payload, &record.data[headers_len..], "the payload");
    if record.vlan.is_some_and(|tag| !TAGS.contains(&tag.proto)) {
        // What follows an unknown tag cannot be read again.
        return;
    }
    let partial = is_partial(record.data);
    for (head, payload) in &frames {
        let frame = [&head[..], payload].concat();
        let transport = agrees_with_itself(&frame);
        if partial {
            assert!(is_complete(&frame, &transport), "{frame:02x?}");
        }
    }
}

/// One record was given, and is in one place; so is each frame.
fn counts_close(counts: &FramerCounts, emitted: usize) {
    let [kinds, malformed] = [
        counts.tcp
            + counts.udp
            + counts.icmp
            + counts.arp
            + counts.fragment
            + counts.other_ip
            + counts.non_ip,
        counts.malformed_passed,
    ];
    assert_eq!(counts.records, 1, "{counts:?}");
    assert_eq!(kinds + malformed + counts.left_out(), 1, "{counts:?}");
    assert_eq!(counts.frames, emitted as u64, "{counts:?}");
    assert_eq!(
        counts.frames,
        counts.records - counts.left_out() - counts.super_frames + counts.segments,
        "{counts:?}"
    );
}

fn tag_bytes(record: &Record<'_>) -> usize {
    record.vlan.map_or(0, |_| TAG_BYTES)
}

/// The length of each head, and all payloads in one; panics unless all frames
/// but the last carry `gso_size` bytes, and the last at most so many.
fn joined(frames: &[(Vec<u8>, Vec<u8>)], gso_size: usize) -> (usize, Vec<u8>) {
    let mut joined = Vec::new();
    let (first, _) = &frames[0];
    for (index, (head, payload)) in frames.iter().enumerate() {
        assert_eq!(head.len(), first.len(), "the head of frame {index}");
        if index + 1 < frames.len() {
            assert_eq!(payload.len(), gso_size, "the payload of frame {index}");
        } else {
            assert!((1..=gso_size).contains(&payload.len()), "the last frame");
        }
        joined.extend_from_slice(payload);
    }
    (first.len(), joined)
}

/// A frame that was cut has the lengths of what it is, and a true IPv4 header.
fn agrees_with_itself(frame: &[u8]) -> Transport {
    let Ok(Headers::Transport(transport)) = parse(frame, Extent::Header) else {
        panic!("a frame that is no packet: {frame:02x?}");
    };
    assert_eq!(transport.end, frame.len(), "{frame:02x?}");
    if transport.ip == Ip::V4 {
        let header = &frame[transport.ip_at..transport.transport_at];
        assert_eq!(folded(&[header]), 0xffff, "{frame:02x?}");
    }
    transport
}

/// Whether a super-frame's checksum is what the kernel leaves to be completed.
fn is_partial(frame: &[u8]) -> bool {
    let Ok(Headers::Transport(transport)) = parse(frame, Extent::Frame) else {
        return false;
    };
    let at = transport.transport_at;
    let field = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    // `__udp_gso_segment` believes the header's own length.
    let own_length = match transport.protocol {
        Protocol::Tcp => true,
        Protocol::Udp => usize::from(field(at + 4)) == transport.end - at,
    };
    own_length
        && pseudo_header(frame, &transport)
            .is_some_and(|header| folded(&[&header]) == field(transport.checksum_at()))
}

/// Whether the sum of a packet with its pseudo-header is right.
fn is_complete(frame: &[u8], transport: &Transport) -> bool {
    pseudo_header(frame, transport).is_some_and(|header| {
        folded(&[&header, &frame[transport.transport_at..transport.end]]) == 0xffff
    })
}

/// RFC 9293 section 3.1 and RFC 8200 section 8.1: addresses, length and
/// protocol; `None` where the packet does not tell its destination.
fn pseudo_header(frame: &[u8], transport: &Transport) -> Option<Vec<u8>> {
    let ip = transport.ip_at;
    let addresses = match transport.ip {
        Ip::V4 => frame[ip + 12..ip + 20].to_vec(),
        Ip::V6(v6) => {
            let destination = v6.final_destination_at?;
            [
                &frame[ip + 8..ip + 24],
                &frame[destination..destination + 16],
            ]
            .concat()
        }
    };
    let length = (transport.end - transport.transport_at) as u32;
    let protocol: u32 = match transport.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    };
    Some(
        [
            &addresses[..],
            &length.to_be_bytes(),
            &protocol.to_be_bytes(),
        ]
        .concat(),
    )
}
