//! What is written is what other readers read.

// Tests may panic, and say what they skip.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod engine_support;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use bytes::BytesMut;
use engine_support::{Field, plain_packet};
use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::Block;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::blocks::section_header::SectionHeaderOption;
use proptest::collection::vec;
use proptest::prelude::*;
use tap_common::Direction;
use tap_userspace::engine::pcapng::{
    EnhancedPacket, Interface, InterfaceStatistics, SectionHeader,
};
use tap_userspace::model::{Frame, FrameBytes, TargetId};

const SECTION: SectionHeader<'_> = SectionHeader {
    hardware: "x86_64",
    os: "Linux 6.18",
    application: "podtap 0.1.0",
};

/// One frame to be written, in two parts.
#[derive(Clone, Debug)]
struct Packet {
    head: Vec<u8>,
    payload: Vec<u8>,
    timestamp_ns: u64,
    outbound: bool,
    interface_id: u32,
}

impl Packet {
    fn encode(&self, snaplen_bytes: u32, buffer: &mut BytesMut) {
        EnhancedPacket {
            interface_id: self.interface_id,
            snaplen_bytes,
            frame: Frame {
                target_id: TargetId(self.interface_id),
                direction: if self.outbound {
                    Direction::Out
                } else {
                    Direction::In
                },
                timestamp_ns: self.timestamp_ns,
                bytes: FrameBytes {
                    head: &self.head,
                    payload: &self.payload,
                },
            },
        }
        .encode(buffer);
    }
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let bytes = || vec(any::<u8>(), 0..100);
    let packet = (bytes(), bytes(), any::<u64>(), any::<bool>(), 0..2_u32).prop_map(
        |(head, payload, timestamp_ns, outbound, interface_id)| Packet {
            head,
            payload,
            timestamp_ns,
            outbound,
            interface_id,
        },
    );
    vec(packet, 0..20)
}

fn read(bytes: &[u8]) -> Vec<Block<'static>> {
    let mut reader = PcapNgReader::new(bytes).expect("a section header");
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block() {
        blocks.push(block.expect("a block").0.into_owned());
    }
    blocks
}

proptest! {
    #[test]
    fn an_independent_reader_reads_what_was_written(
        packets in packets(),
        name in "[a-z/é]{0,20}",
        description in ".{0,40}",
        snaplen_bytes in prop_oneof![Just(0_u32), 1..200_u32],
        counts in any::<[u64; 4]>(),
    ) {
        let mut buffer = BytesMut::new();
        SECTION.encode(&mut buffer);
        for interface_name in [name.as_str(), "second"] {
            Interface {
                name: interface_name,
                description: &description,
                os: "Linux",
                snaplen_bytes,
            }
            .encode(&mut buffer);
        }
        for packet in &packets {
            packet.encode(snaplen_bytes, &mut buffer);
        }
        InterfaceStatistics {
            interface_id: 1,
            timestamp_ns: 12_000_000_003,
            start_ns: 1_700_000_000_000_000_001,
            end_ns: 1_700_000_009_999_999_999,
            received: counts[0],
            dropped: counts[1],
            accepted: Some(counts[2]),
            delivered: counts[3],
        }
        .encode(&mut buffer);

        let mut reader = PcapNgReader::new(&buffer[..]).unwrap();
        prop_assert_eq!(reader.section().options.clone(), vec![
            SectionHeaderOption::Hardware("x86_64".into()),
            SectionHeaderOption::OS("Linux 6.18".into()),
            SectionHeaderOption::UserApplication("podtap 0.1.0".into()),
        ]);
        let _ = reader.next_block();
        let mut blocks = read(&buffer).into_iter();
        for expected in [name.as_str(), "second"] {
            let Some(Block::InterfaceDescription(interface)) = blocks.next() else {
                panic!("an interface");
            };
            prop_assert_eq!(interface.snaplen, snaplen_bytes);
            prop_assert_eq!(interface.linktype, pcap_file::DataLink::ETHERNET);
            prop_assert_eq!(interface.ts_resolution().to_u8(), 9);
            let has = |option: &InterfaceDescriptionOption<'_>| interface.options.contains(option);
            prop_assert_eq!(has(&InterfaceDescriptionOption::IfName(expected.into())), !expected.is_empty());
            let text = InterfaceDescriptionOption::IfDescription(description.as_str().into());
            prop_assert_eq!(has(&text), !description.is_empty());
            prop_assert!(has(&InterfaceDescriptionOption::IfOs("Linux".into())));
        }
        for packet in &packets {
            let Some(Block::EnhancedPacket(block)) = blocks.next() else { panic!("a packet") };
            let mut whole = packet.head.clone();
            whole.extend(&packet.payload);
            let original_len = u32::try_from(whole.len()).unwrap();
            if snaplen_bytes > 0 {
                whole.truncate(usize::try_from(snaplen_bytes).unwrap());
            }
            prop_assert_eq!(block.interface_id, packet.interface_id);
            prop_assert_eq!(block.original_len, original_len);
            prop_assert_eq!(block.data.as_ref(), &whole[..]);
            prop_assert_eq!(block.timestamp, Duration::from_nanos(packet.timestamp_ns));
            let flags = if packet.outbound { 2 } else { 1 };
            prop_assert_eq!(block.options, vec![EnhancedPacketOption::Flags(flags)]);
        }
        let Some(Block::InterfaceStatistics(statistics)) = blocks.next() else {
            panic!("statistics");
        };
        prop_assert_eq!(statistics.interface_id, 1);
        prop_assert_eq!(statistics.timestamp, Duration::from_nanos(12_000_000_003));
        prop_assert_eq!(statistics.options, vec![
            InterfaceStatisticsOption::IsbStartTime(Duration::from_nanos(1_700_000_000_000_000_001)),
            InterfaceStatisticsOption::IsbEndTime(Duration::from_nanos(1_700_000_009_999_999_999)),
            InterfaceStatisticsOption::IsbIfRecv(counts[0]),
            InterfaceStatisticsOption::IsbIfDrop(counts[1]),
            InterfaceStatisticsOption::IsbFilterAccept(counts[2]),
            InterfaceStatisticsOption::IsbUsrDeliv(counts[3]),
        ]);
        prop_assert!(blocks.next().is_none());
    }
}

#[test]
fn text_too_long_for_an_option_is_cut_between_characters() {
    // 65,535 lies within a character of three bytes after one of one byte.
    let long = format!("x{}", "€".repeat(30_000));
    let mut buffer = BytesMut::new();
    SECTION.encode(&mut buffer);
    Interface {
        name: &long,
        description: "",
        os: "",
        snaplen_bytes: 0,
    }
    .encode(&mut buffer);
    let blocks = read(&buffer);
    let Some(Block::InterfaceDescription(interface)) = blocks.first() else {
        panic!("an interface");
    };
    let kept = format!("x{}", "€".repeat((65_535 - 1) / 3));
    assert_eq!(
        interface.options[0],
        InterfaceDescriptionOption::IfName(kept.into())
    );
}

#[test]
fn no_filter_means_no_count_of_what_it_let_through() {
    let mut buffer = BytesMut::new();
    SECTION.encode(&mut buffer);
    Interface::default().encode(&mut buffer);
    InterfaceStatistics::default().encode(&mut buffer);
    let blocks = read(&buffer);
    let Some(Block::InterfaceStatistics(statistics)) = blocks.get(1) else {
        panic!("statistics");
    };
    assert_eq!(statistics.options.len(), 5);
}

/// Runs a tool of Wireshark's on a capture, or says that it is not there.
/// Returns its standard output; it must have nothing to complain of.
fn tool(name: &str, arguments: &[&str], file: &PathBuf) -> Option<String> {
    match Command::new(name).args(arguments).arg(file).output() {
        Ok(output) => {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{name}: {complaint}");
            let complaint: Vec<_> = complaint
                .lines()
                .filter(|line| !line.contains("Running as user"))
                .collect();
            assert!(complaint.is_empty(), "{name}: {complaint:?}");
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(error) => {
            eprintln!("skipped: {name} cannot be run: {error}");
            None
        }
    }
}

#[test]
fn wireshark_reads_it_without_complaint() {
    let mut buffer = BytesMut::new();
    SECTION.encode(&mut buffer);
    Interface {
        name: "shop/web/eth0",
        description: "pod shop/web",
        os: "Linux",
        snaplen_bytes: 500,
    }
    .encode(&mut buffer);
    for (index, tcp) in [true, false, true].into_iter().enumerate() {
        let (frame, at) = plain_packet(tcp, index == 2, 1_000).build(Field::Valid);
        let (head, payload) = frame.split_at(at.payload);
        Packet {
            head: head.to_vec(),
            payload: payload.to_vec(),
            timestamp_ns: 1_700_000_000_123_456_789 + u64::try_from(index).unwrap(),
            outbound: index == 1,
            interface_id: 0,
        }
        .encode(500, &mut buffer);
    }
    InterfaceStatistics {
        interface_id: 0,
        timestamp_ns: 1_700_000_001_000_000_000,
        start_ns: 1_700_000_000_000_000_000,
        end_ns: 1_700_000_001_000_000_000,
        received: 7,
        dropped: 4,
        accepted: None,
        delivered: 3,
    }
    .encode(&mut buffer);
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("engine_pcapng.pcapng");
    std::fs::write(&file, &buffer).unwrap();

    if let Some(output) = tool("capinfos", &["-M"], &file) {
        for expected in [
            "pcapng",
            "nanoseconds (9)",
            "Number of packets:   3",
            "podtap 0.1.0",
            "Name = shop/web/eth0",
            "Description = pod shop/web",
            "Capture length = 500",
            "Number of stat entries = 1",
        ] {
            assert!(output.contains(expected), "{expected} is not in {output}");
        }
    }
    let fields = [
        "frame.time_epoch",
        "frame.len",
        "frame.cap_len",
        "frame.packet_flags_direction",
        "frame.interface_name",
        "_ws.malformed",
    ];
    let mut arguments = vec!["-n", "-T", "fields"];
    arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
    arguments.push("-r");
    if let Some(output) = tool("tshark", &arguments, &file) {
        let lines: Vec<Vec<&str>> = output
            .lines()
            .map(|line| line.split('\t').collect())
            .collect();
        assert_eq!(lines.len(), 3, "{output}");
        assert!(lines[0][0].contains(".123456789"), "{output}");
        assert_eq!(
            lines[0][1..],
            ["1066", "500", "0x00000001", "shop/web/eth0", ""]
        );
        assert_eq!(
            lines[1][1..],
            ["1042", "500", "0x00000002", "shop/web/eth0", ""]
        );
        assert_eq!(
            lines[2][1..],
            ["1086", "500", "0x00000001", "shop/web/eth0", ""]
        );
    }
}
