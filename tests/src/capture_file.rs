//! A pcapng capture, read by a crate that knows nothing of podtap.

use std::{fs, path::Path};

use pcap_file::pcapng::{
    Block, PcapNgReader,
    blocks::{
        enhanced_packet::EnhancedPacketOption, interface_statistics::InterfaceStatisticsOption,
    },
};
use tap_common::Direction;

use crate::{Transfer, eventually, tcp_stream};

/// A whole capture.
#[derive(Clone, Debug, Default)]
pub struct CaptureFile {
    /// Its packets, in order.
    pub packets: Vec<Captured>,
    /// Its interface statistics: one block, at the end.
    pub statistics: Option<Statistics>,
}

/// One packet of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// As its flags say.
    pub direction: Direction,
    /// What was kept of it.
    pub bytes: Vec<u8>,
    /// Its length on the wire.
    pub original_len: usize,
}

/// What the interface statistics block says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// `isb_ifrecv`.
    pub received: Option<u64>,
    /// `isb_ifdrop`.
    pub dropped: Option<u64>,
    /// `isb_usrdeliv`.
    pub delivered: Option<u64>,
}

impl CaptureFile {
    /// Reads a file to its end; panics unless it is whole.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        Self::parse(&fs::read(path).expect("the capture"))
    }

    /// Waits until a capture that is still being written has a packet with
    /// these words in it: what came by before them is there too.
    pub fn wait_for(path: &Path, words: &str) {
        let words = words.as_bytes();
        eventually("the marker is in the capture", || {
            let bytes = fs::read(path).expect("the capture");
            let mut windows = bytes.windows(words.len());
            windows.any(|window| window == words).then_some(())
        });
    }

    /// Reads a stream to its end; panics unless it is whole.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut file = Self::default();
        let mut reader = PcapNgReader::new(bytes).expect("a pcapng section");
        while let Some(block) = reader.next_block() {
            let (block, _) = block.expect("a whole block");
            assert!(
                file.statistics.is_none(),
                "a block after the statistics: {block:?}"
            );
            match block {
                Block::EnhancedPacket(packet) => file.packets.push(Captured {
                    direction: packet
                        .options
                        .iter()
                        .find_map(direction)
                        .expect("a direction flag"),
                    bytes: packet.data.to_vec(),
                    original_len: packet.original_len as usize,
                }),
                Block::InterfaceStatistics(block) => {
                    file.statistics = Some(statistics(&block.options));
                }
                Block::InterfaceDescription(_) => {}
                other => panic!("a block that podtap does not write: {other:?}"),
            }
        }
        file
    }

    /// The whole frames of one direction, in order.
    #[must_use]
    pub fn frames(&self, direction: Direction) -> Vec<&[u8]> {
        self.packets
            .iter()
            .filter(|packet| packet.direction == direction)
            .map(|packet| &packet.bytes[..])
            .collect()
    }

    /// What a transfer's sender sent, put together from the packets, which are
    /// whole; panics if a byte is missing.
    #[must_use]
    pub fn payload_of(&self, transfer: &Transfer) -> Vec<u8> {
        tcp_stream::payload(
            self.packets.iter().map(|packet| &packet.bytes[..]),
            transfer,
        )
    }
}

/// Section 4.3.1: bits 0 and 1 say which way.
fn direction(option: &EnhancedPacketOption<'_>) -> Option<Direction> {
    match option {
        EnhancedPacketOption::Flags(flags) => match flags & 0b11 {
            0b01 => Some(Direction::In),
            0b10 => Some(Direction::Out),
            _ => None,
        },
        _ => None,
    }
}

fn statistics(options: &[InterfaceStatisticsOption<'_>]) -> Statistics {
    let mut statistics = Statistics::default();
    for option in options {
        match option {
            InterfaceStatisticsOption::IsbIfRecv(count) => statistics.received = Some(*count),
            InterfaceStatisticsOption::IsbIfDrop(count) => statistics.dropped = Some(*count),
            InterfaceStatisticsOption::IsbUsrDeliv(count) => statistics.delivered = Some(*count),
            _ => {}
        }
    }
    statistics
}
