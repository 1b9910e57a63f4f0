//! Frames in a pcap file, read by a crate that knows nothing of podtap.

use std::{collections::BTreeMap, fs, path::Path};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::pcap::PcapReader;
use tests::craft::EXPERIMENTAL;

/// The frames of each direction of each connection, in order. The order of
/// two directions is left out: it differs at two points of a path, since what
/// goes to the one comes from the other; and GRO lets connections overtake
/// each other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recorded(BTreeMap<Vec<u8>, Vec<Vec<u8>>>);

impl Recorded {
    /// Reads it up to the marker: behind it, frames may be at one point and
    /// not yet at the other.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("the recording");
        let mut reader = PcapReader::new(&bytes[..]).expect("a pcap file");
        let mut ways = BTreeMap::<_, Vec<_>>::new();
        while let Some(packet) = reader.next_packet() {
            let packet = packet.expect("a whole packet");
            assert_eq!(packet.orig_len(), packet.len(), "cut short");
            if packet.data()[12..14] == EXPERIMENTAL.to_be_bytes() {
                break;
            }
            let way = way_of(packet.data());
            ways.entry(way)
                .or_default()
                .push(packet.into_data().into_owned());
        }
        Self(ways)
    }

    /// How many frames it has.
    pub(crate) fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// The length of its longest frame, in bytes.
    pub(crate) fn longest(&self) -> usize {
        let frames = self.0.values().flatten();
        frames.map(Vec::len).max().unwrap_or(0)
    }

    /// Panics, showing the first difference, unless both have the same frames.
    pub(crate) fn assert_equal(&self, other: &Self) {
        for way in self.0.keys().chain(other.0.keys()) {
            let frames = |of: &Self| of.0.get(way).cloned().unwrap_or_default();
            let (tap, wire) = (frames(self), frames(other));
            let same = tap.iter().zip(&wire).take_while(|(a, b)| a == b).count();
            assert!(
                tap == wire,
                "frame {same} of {} on the tap and {} on the wire:\n{:?}\n{:?}",
                tap.len(),
                wire.len(),
                tap.get(same).map(|frame| frame.escape_ascii().to_string()),
                wire.get(same).map(|frame| frame.escape_ascii().to_string()),
            );
        }
    }
}

/// Which direction of which connection a frame belongs to.
fn way_of(frame: &[u8]) -> Vec<u8> {
    let packet = SlicedPacket::from_ethernet(frame).expect("a frame");
    // Addresses and type.
    let mut way = frame[..14].to_vec();
    match packet.net {
        Some(NetSlice::Ipv4(_)) => way.extend(&frame[26..34]),
        Some(NetSlice::Ipv6(_)) => way.extend(&frame[22..54]),
        _ => {}
    }
    let ports = match packet.transport {
        Some(TransportSlice::Tcp(tcp)) => (tcp.source_port(), tcp.destination_port()),
        Some(TransportSlice::Udp(udp)) => (udp.source_port(), udp.destination_port()),
        _ => return way,
    };
    way.extend(ports.0.to_be_bytes());
    way.extend(ports.1.to_be_bytes());
    way
}
