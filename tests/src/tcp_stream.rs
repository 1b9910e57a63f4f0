//! What one side of a TCP connection sent, put together from frames.

use etherparse::TransportSlice;

use crate::{Transfer, frame};

/// What a transfer's sender sent, from frames in the order in which they came.
/// Panics if they do not begin with the connection, if a byte is missing, or if
/// one that was sent again is another.
pub(crate) fn payload<'a>(
    frames: impl IntoIterator<Item = &'a [u8]>,
    transfer: &Transfer,
) -> Vec<u8> {
    let mut segments = Vec::new();
    let mut first_sequence = None;
    for bytes in frames {
        let Some(TransportSlice::Tcp(tcp)) = frame::parse(bytes).transport else {
            continue;
        };
        let ports = (tcp.source_port(), tcp.destination_port());
        if ports != (transfer.from.port(), transfer.to.port()) {
            continue;
        }
        if tcp.syn() {
            first_sequence = Some(tcp.sequence_number().wrapping_add(1));
        }
        let first = first_sequence.expect("frames from the beginning of the connection on");
        // Transfers are far shorter than the sequence space.
        let offset = tcp.sequence_number().wrapping_sub(first) as usize;
        if !tcp.payload().is_empty() {
            segments.push((offset, tcp.payload()));
        }
    }
    segments.sort_by_key(|(offset, _)| *offset);
    let mut payload: Vec<u8> = Vec::new();
    for (offset, segment) in segments {
        let Some(present) = payload.get(offset..) else {
            panic!("bytes are missing at {}", payload.len());
        };
        // A retransmission may overlap what is there.
        let (again, new) = segment.split_at(segment.len().min(present.len()));
        assert!(
            present.starts_with(again),
            "other bytes were sent again at {offset}"
        );
        payload.extend(new);
    }
    payload
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    const FIRST: u32 = u32::MAX - 2;

    #[test]
    fn segments_in_any_order_make_what_was_sent() {
        let segments = [(0, "one "), (8, "three"), (4, "two ")];
        assert_eq!(payload_of(&segments), b"one two three");
    }

    #[test]
    fn what_was_sent_again_counts_once() {
        let segments = [
            (0, "one two "),
            (8, "three"),
            (4, "two"),
            (0, "one"),
            (6, "o th"),
        ];
        assert_eq!(payload_of(&segments), b"one two three");
    }

    #[test]
    #[should_panic(expected = "bytes are missing at 4")]
    fn a_hole_is_found() {
        payload_of(&[(0, "one "), (8, "three")]);
    }

    #[test]
    #[should_panic(expected = "other bytes were sent again at 4")]
    fn other_bytes_sent_again_are_found() {
        payload_of(&[(0, "one two "), (4, "TWO three")]);
    }

    /// Puts together these segments at their offsets, after a SYN; between them
    /// is one of another connection.
    fn payload_of(segments: &[(u32, &str)]) -> Vec<u8> {
        let frame = |sequence: u32, source: u16, payload: &str, is_syn: bool| {
            let mut tcp = PacketBuilder::ethernet2([2; 6], [4; 6])
                .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
                .tcp(source, 80, sequence, 1024);
            if is_syn {
                tcp = tcp.syn();
            }
            let mut frame = Vec::new();
            tcp.write(&mut frame, payload.as_bytes()).expect("a frame");
            frame
        };
        let mut frames = vec![frame(FIRST.wrapping_sub(1), 1, "", true)];
        for (offset, payload) in segments {
            frames.push(frame(FIRST.wrapping_add(*offset), 1, payload, false));
            frames.push(frame(0, 2, "of another connection", false));
        }
        let transfer = Transfer {
            from: "10.0.0.1:1".parse().expect("an address"),
            to: "10.0.0.2:80".parse().expect("an address"),
            sha256: [0; 32],
        };
        payload(frames.iter().map(|frame| &frame[..]), &transfer)
    }
}
