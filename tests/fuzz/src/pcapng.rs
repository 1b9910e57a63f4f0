//! Captures, read by a crate that knows nothing of podtap.

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use pcap_file::pcapng::{
    Block, PcapNgReader,
    blocks::{
        enhanced_packet::EnhancedPacketOption, interface_description::InterfaceDescriptionOption,
        interface_statistics::InterfaceStatisticsOption, section_header::SectionHeaderOption,
    },
};
use tap_common::Direction;

use crate::{
    engine::pcapng::{EnhancedPacket, Interface, InterfaceStatistics, SectionHeader},
    model::{Frame, FrameBytes, TargetId},
};

/// One packet to be written.
struct Packet<'a> {
    direction: Direction,
    timestamp_ns: u64,
    head: &'a [u8],
    payload: &'a [u8],
}

/// Panics unless what is written is read: names, snapshot length, and the
/// packets. An input begins with the snapshot length (two bytes); then come
/// the interface's name and description, and the packets: a length of two
/// bytes before each text and packet.
pub fn check(mut input: &[u8]) {
    let snaplen_bytes = u32::from(input.try_get_u16_le().unwrap_or(0));
    let (name, description) = (text(&mut input), text(&mut input));
    let mut packets = Vec::new();
    while !input.is_empty() {
        packets.push(packet(&mut input));
    }
    let counts = [packets.len() as u64, u64::MAX, u64::from(snaplen_bytes)];

    let mut buffer = BytesMut::new();
    SectionHeader {
        hardware: &description,
        os: &name,
        application: "podtap",
    }
    .encode(&mut buffer);
    Interface {
        name: &name,
        description: &description,
        os: "",
        snaplen_bytes,
    }
    .encode(&mut buffer);
    for packet in &packets {
        packet.encode(snaplen_bytes, &mut buffer);
    }
    InterfaceStatistics {
        interface_id: 0,
        timestamp_ns: 1,
        start_ns: 2,
        end_ns: 3,
        received: counts[0],
        dropped: counts[1],
        accepted: None,
        delivered: counts[2],
    }
    .encode(&mut buffer);

    let mut reader = PcapNgReader::new(&buffer[..]).expect("a section");
    let mut expected = vec![SectionHeaderOption::UserApplication("podtap".into())];
    if !name.is_empty() {
        expected.insert(0, SectionHeaderOption::OS(name.as_str().into()));
    }
    if !description.is_empty() {
        let hardware = SectionHeaderOption::Hardware(description.as_str().into());
        expected.insert(0, hardware);
    }
    assert_eq!(reader.section().options, expected, "the section");

    let mut next = || {
        let (block, _) = reader.next_block()?.expect("a block");
        Some(block.into_owned())
    };
    let Some(Block::InterfaceDescription(interface)) = next() else {
        panic!("no interface");
    };
    assert_eq!(interface.snaplen, snaplen_bytes);
    for option in [
        (!name.is_empty()).then(|| InterfaceDescriptionOption::IfName(name.as_str().into())),
        (!description.is_empty())
            .then(|| InterfaceDescriptionOption::IfDescription(description.as_str().into())),
    ]
    .into_iter()
    .flatten()
    {
        assert!(interface.options.contains(&option), "{interface:?}");
    }
    for packet in &packets {
        let Some(Block::EnhancedPacket(block)) = next() else {
            panic!("no packet");
        };
        let whole = [packet.head, packet.payload].concat();
        let kept = match snaplen_bytes as usize {
            0 => whole.len(),
            snaplen => snaplen.min(whole.len()),
        };
        assert_eq!(block.data, &whole[..kept]);
        assert_eq!(block.original_len as usize, whole.len());
        assert_eq!(block.timestamp, Duration::from_nanos(packet.timestamp_ns));
        let flags = match packet.direction {
            Direction::In => 0b01,
            Direction::Out => 0b10,
        };
        assert_eq!(block.options, [EnhancedPacketOption::Flags(flags)]);
    }
    let Some(Block::InterfaceStatistics(statistics)) = next() else {
        panic!("no statistics");
    };
    let expected = [
        InterfaceStatisticsOption::IsbStartTime(Duration::from_nanos(2)),
        InterfaceStatisticsOption::IsbEndTime(Duration::from_nanos(3)),
        InterfaceStatisticsOption::IsbIfRecv(counts[0]),
        InterfaceStatisticsOption::IsbIfDrop(counts[1]),
        InterfaceStatisticsOption::IsbUsrDeliv(counts[2]),
    ];
    assert_eq!(statistics.options, expected, "the statistics");
    assert!(next().is_none(), "more than was written");
}

/// The next bytes, as many as the two before them say or as there are.
fn part<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let len = usize::from(input.try_get_u16_le().unwrap_or(0));
    let (part, rest) = input.split_at(len.min(input.len()));
    *input = rest;
    part
}

fn text(input: &mut &[u8]) -> String {
    String::from_utf8_lossy(part(input)).into_owned()
}

/// One byte of flags and eight of time in front of its bytes: bit 0 of the
/// flags is the direction, the others say where the payload begins.
fn packet<'a>(input: &mut &'a [u8]) -> Packet<'a> {
    let flags = input.try_get_u8().unwrap_or(0);
    let timestamp_ns = input.try_get_u64_le().unwrap_or(0);
    let whole = part(input);
    let (head, payload) = whole.split_at(usize::from(flags >> 1).min(whole.len()));
    Packet {
        direction: if flags & 1 == 0 {
            Direction::In
        } else {
            Direction::Out
        },
        timestamp_ns,
        head,
        payload,
    }
}

impl Packet<'_> {
    fn encode(&self, snaplen_bytes: u32, buffer: &mut BytesMut) {
        EnhancedPacket {
            interface_id: 0,
            snaplen_bytes,
            frame: Frame {
                target_id: TargetId(1),
                direction: self.direction,
                timestamp_ns: self.timestamp_ns,
                bytes: FrameBytes {
                    head: self.head,
                    payload: self.payload,
                },
            },
        }
        .encode(buffer);
    }
}
