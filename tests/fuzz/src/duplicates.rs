//! Second views, against a memory without bounds.

use std::collections::{HashMap, HashSet};

use bytes::Buf as _;
use tap_common::Direction;

use crate::{
    engine::duplicates::{Duplicates, WINDOW_NS},
    model::FrameBytes,
};

/// Unit of an input's time steps, in nanoseconds: 16 of them are a window and
/// a little.
const STEP_NS: u64 = WINDOW_NS / 16 + 1;
/// As many keys as certainly find a place beside each other.
const KEYS_KEPT: usize = 4;
/// EtherTypes of tags.
const TAGS: [[u8; 2]; 3] = [[0x81, 0x00], [0x88, 0xa8], [0x91, 0x00]];

/// What was sent under one key.
#[derive(Default)]
struct Sent {
    /// Sent and not received.
    credits: u64,
    last_ns: u64,
    /// Ever, and how often one receiver's was said to be one of them.
    sends: u64,
    duplicates: u64,
}

/// Panics unless a frame that was sent is never a duplicate, one that was
/// received is only where an equal one was sent, and, while there are few keys
/// and time goes on, exactly where one was.
///
/// An input is a list of frames: flags (one byte), where the payload begins
/// (one byte), a length (one byte), and its bytes. Bit 0 of the flags is the
/// direction; bit 1 says that the frame is the one before once more, with no
/// bytes of its own; bit 2 that time goes back; the rest is the time step.
pub fn check(mut input: &[u8]) {
    let mut duplicates = Duplicates::new();
    let mut sent: HashMap<Vec<u8>, Sent> = HashMap::new();
    let mut keys = HashSet::new();
    let mut now_ns = 60 * WINDOW_NS;
    let mut is_in_order = true;
    let mut frame: &[u8] = &[];
    while let (Ok(flags), Ok(split)) = (input.try_get_u8(), input.try_get_u8()) {
        let step = u64::from(flags >> 3) * STEP_NS;
        if flags & 4 == 0 {
            now_ns += step;
        } else {
            now_ns = now_ns.saturating_sub(step).max(1);
            is_in_order &= step == 0;
        }
        if flags & 2 == 0 {
            let len = usize::from(input.try_get_u8().unwrap_or(0)).min(input.len());
            (frame, input) = input.split_at(len);
        }
        let direction = if flags & 1 == 0 {
            Direction::In
        } else {
            Direction::Out
        };
        let (head, payload) = frame.split_at(usize::from(split).min(frame.len()));
        let said = duplicates.is_duplicate(direction, now_ns, FrameBytes { head, payload });
        let Some(key) = key(frame) else {
            assert!(!said, "a duplicate of what is no frame: {frame:02x?}");
            continue;
        };
        keys.insert(key.clone());
        let sent = sent.entry(key).or_default();
        let is_live = sent.credits > 0 && now_ns.saturating_sub(sent.last_ns) <= WINDOW_NS;
        if direction == Direction::Out {
            assert!(!said, "sent, and a duplicate: {frame:02x?}");
            sent.credits = if is_live { sent.credits + 1 } else { 1 };
            sent.last_ns = now_ns;
            sent.sends += 1;
            continue;
        }
        // More than one may receive what goes to a group.
        let is_to_one = frame[0] & 1 == 0;
        if is_live && is_to_one {
            sent.credits -= 1;
        }
        if said {
            assert!(sent.sends > 0, "never sent: {frame:02x?}");
            sent.duplicates += u64::from(is_to_one);
            let is_covered = sent.duplicates <= sent.sends;
            assert!(is_covered, "never sent so often: {frame:02x?}");
        }
        if is_in_order {
            assert!(is_live || !said, "sent too long ago: {frame:02x?}");
            if keys.len() <= KEYS_KEPT {
                assert!(said || !is_live, "sent, and forgotten: {frame:02x?}");
            }
        }
    }
}

/// What two views of a packet have in common: its EtherType, and 24 bytes
/// behind an IP header without options, without what a hop changes. `None` for
/// what is no Ethernet frame.
fn key(frame: &[u8]) -> Option<Vec<u8>> {
    let mut rest = frame.get(12..)?;
    while TAGS.iter().any(|tag| rest.starts_with(tag)) {
        rest = rest.get(4..)?;
    }
    let (ether_type, packet) = rest.split_at_checked(2)?;
    let is_v4 = ether_type == [0x08, 0x00];
    let mut key = packet[..packet.len().min(if is_v4 { 44 } else { 64 })].to_vec();
    let changing: &[usize] = match ether_type {
        [0x08, 0x00] => &[1, 8, 10, 11],
        [0x86, 0xdd] => &[0, 1, 7],
        _ => &[],
    };
    for &at in changing {
        if let Some(byte) = key.get_mut(at) {
            *byte = 0;
        }
    }
    Some(key)
}
