//! Packets between two tapped pods of one node are seen twice: as one pod
//! sends them, and as the other receives them. The second view is found here.
//!
//! A frame that a pod sends leaves a credit under its key; a frame that a pod
//! receives takes one, and is a duplicate then. So frames that were sent are
//! never duplicates, retransmissions among them; a frame whose first view was
//! lost, or taken before the sender was tapped, is none; and `n` equal frames
//! to one receiver that were sent make `n` that were received duplicates, never
//! more. What is sent to a group may be received by many pods, and takes no
//! credits.
//!
//! The key is what does not change from the one interface to the other:
//! addresses, protocol, lengths, IP ID and fragment, and the first bytes
//! behind the IP header with ports, sequence numbers and checksum. MAC
//! addresses, tags, TTL, traffic class and the IP header's own checksum may
//! differ. Where addresses are translated on the way, as by a Service, the two
//! views have other keys: both are delivered.
//!
//! # Blind spot
//! A packet from elsewhere that equals, in all of that, one which another pod
//! of this node has sent less than [`WINDOW_NS`] before and which never
//! arrived, is taken for it. Its payload differs only where the checksum does
//! not show it. An equal frame that is sent within that time renews the credits
//! that are still open.

use std::hash::{BuildHasher as _, RandomState};

use tap_common::Direction;

use super::headers::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPES_VLAN, IPV6_BYTES, MACS_BYTES, VLAN_TAG_BYTES, field,
};
use crate::model::FrameBytes;

/// How long a credit lasts, in nanoseconds: longer than a packet takes from
/// one pod of a node to another, queues included.
pub const WINDOW_NS: u64 = 1_000_000_000;

/// Places for keys.
const SETS: usize = 1 << 14;
/// Keys that may fall on one place before the oldest has to go.
const WAYS: usize = 4;

/// Bytes behind the IP header that are part of the key: a TCP header without
/// options, and some.
const TRANSPORT_BYTES: usize = 24;
const IPV4_BYTES: usize = 20;
/// The longest key: of IPv6.
const KEY_BYTES: usize = IPV6_BYTES + TRANSPORT_BYTES;

/// Remembers what was sent.
#[derive(Debug)]
pub struct Duplicates {
    /// A secret of this process: nobody can make two packets with one hash.
    hasher: RandomState,
    sets: Box<[[Entry; WAYS]]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u64,
    /// When it was last sent; `CLOCK_MONOTONIC`, nanoseconds.
    sent_ns: u64,
    /// Frames that were sent and not yet received; 0 in a free place.
    credits: u32,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self::new()
    }
}

impl Duplicates {
    /// Nothing sent yet. Takes a megabyte and a half.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            sets: vec![[Entry::default(); WAYS]; SETS].into_boxed_slice(),
        }
    }

    /// Whether the frame was seen before, as its sender sent it. `seen_ns` is
    /// `CLOCK_MONOTONIC` in nanoseconds; frames come in the order in which the
    /// kernel saw them.
    pub fn is_duplicate(
        &mut self,
        direction: Direction,
        seen_ns: u64,
        frame: FrameBytes<'_>,
    ) -> bool {
        let Some(key) = Key::of(frame) else {
            return false;
        };
        let hash = self.hasher.hash_one(key.bytes());
        let index = usize::try_from(hash).unwrap_or(0) % self.sets.len().max(1);
        let Some(set) = self.sets.get_mut(index) else {
            return false;
        };
        let is_live =
            |entry: &Entry| entry.credits > 0 && seen_ns.saturating_sub(entry.sent_ns) <= WINDOW_NS;
        let known = set
            .iter_mut()
            .find(|entry| entry.hash == hash && is_live(entry));
        match (direction, known) {
            (Direction::Out, Some(entry)) => {
                entry.credits = entry.credits.saturating_add(1);
                entry.sent_ns = seen_ns;
                false
            }
            (Direction::Out, None) => {
                // Free places have the oldest time of all.
                if let Some(oldest) = set.iter_mut().min_by_key(|entry| entry.sent_ns) {
                    *oldest = Entry {
                        hash,
                        sent_ns: seen_ns,
                        credits: 1,
                    };
                }
                false
            }
            (Direction::In, Some(entry)) => {
                // More than one pod may receive it.
                if !key.to_many {
                    entry.credits -= 1;
                    if entry.credits == 0 {
                        *entry = Entry::default();
                    }
                }
                true
            }
            (Direction::In, None) => false,
        }
    }
}

/// What two views of one packet have in common.
struct Key {
    bytes: [u8; KEY_BYTES],
    len: usize,
    /// Whether its destination is a group.
    to_many: bool,
}

impl Key {
    /// Of what is neither IPv4 nor IPv6, the first bytes behind the type.
    /// `None` for what is no Ethernet frame.
    fn of(frame: FrameBytes<'_>) -> Option<Self> {
        let mut at = MACS_BYTES;
        let mut ethertype = read_u16(frame, at)?;
        while ETHERTYPES_VLAN.contains(&ethertype) {
            at += VLAN_TAG_BYTES;
            ethertype = read_u16(frame, at)?;
        }
        let network_at = at + size_of::<u16>();
        let mut key = Self {
            bytes: [0; KEY_BYTES],
            len: 0,
            to_many: byte(frame, 0)? & 1 != 0,
        };
        let wanted = match ethertype {
            ETHERTYPE_IPV4 => IPV4_BYTES + TRANSPORT_BYTES,
            _ => KEY_BYTES,
        };
        let head = frame.head.get(network_at..).unwrap_or_default();
        let from_head = head.get(..wanted).unwrap_or(head);
        let left = wanted - from_head.len();
        let payload_at = network_at.saturating_sub(frame.head.len());
        let payload = frame.payload.get(payload_at..)?;
        let from_payload = payload.get(..left).unwrap_or(payload);
        for (place, byte) in key
            .bytes
            .iter_mut()
            .zip(from_head.iter().chain(from_payload))
        {
            *place = *byte;
            key.len += 1;
        }
        match ethertype {
            // Type of service, TTL, header checksum.
            ETHERTYPE_IPV4 => key.forget(&[1, 8, 10, 11]),
            // Traffic class (in two halves, with the flow label), hop limit.
            ETHERTYPE_IPV6 => key.forget(&[0, 1, 7]),
            _ => {}
        }
        Some(key)
    }

    fn forget(&mut self, offsets: &[usize]) {
        for &offset in offsets {
            if let Some(byte) = self.bytes.get_mut(offset) {
                *byte = 0;
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The 16-bit field at `at`, if it is all there. A tag that was put back ends
/// the head of a frame that needed nothing else: what follows it is payload.
fn read_u16(frame: FrameBytes<'_>, at: usize) -> Option<u16> {
    field::read_u16(frame.head, at)
        .or_else(|| Some(u16::from_be_bytes([byte(frame, at)?, byte(frame, at + 1)?])))
}

fn byte(frame: FrameBytes<'_>, at: usize) -> Option<u8> {
    let in_payload = || frame.payload.get(at.checked_sub(frame.head.len())?);
    frame.head.get(at).or_else(in_payload).copied()
}
