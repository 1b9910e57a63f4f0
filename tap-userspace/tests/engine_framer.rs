//! Whatever a record holds, the framer accounts for it.

// Tests may panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod engine_support;

use engine_support::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tap_common::LinkLayer;
use tap_userspace::engine::decode::VlanTag;
use tap_userspace::engine::framer::{Framer, FramerCounts};
use tap_userspace::engine::offload::{GsoType, SkbChecksum};
use tap_userspace::model::Segment;

/// Bytes that are nearly a packet: some are other ones, the end may be
/// missing, and there may be more.
fn nearly_packets() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>()), 0..=4);
    (
        packets(0..=2_000),
        changes,
        any::<Index>(),
        0..=3_usize,
        0..=60_usize,
    )
        .prop_map(|(packet, changes, cut, keep_all, more)| {
            let (mut data, at) = packet.build(Field::Partial);
            for (index, value) in changes {
                // In the headers, where it matters.
                data[index.index(at.payload)] = value;
            }
            if keep_all == 0 {
                data.truncate(cut.index(data.len()));
            }
            data.resize(data.len() + more, 0x55);
            data
        })
}

fn gso_sizes() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 1..=3_000_u32, any::<u32>()]
}

/// The equations of [`FramerCounts`].
fn assert_accounted(counts: &FramerCounts, emitted: u64) {
    let kinds = counts.tcp
        + counts.udp
        + counts.sctp
        + counts.icmp
        + counts.arp
        + counts.fragment
        + counts.other_ip
        + counts.non_ip;
    assert_eq!(
        counts.records,
        kinds + counts.malformed_passed + counts.left_out()
    );
    let whole = counts.records - counts.left_out() - counts.super_frames;
    assert_eq!(counts.frames, whole + counts.segments);
    assert_eq!(counts.frames, emitted);
    let named: std::collections::BTreeMap<_, _> = counts.named().into_iter().collect();
    assert_eq!(named.len(), counts.named().len(), "each name once");
    assert_eq!(named["records"], counts.records);
}

/// Frames one record after others, and checks what holds for any bytes.
fn frame_anything(framer: &mut Framer, data: &[u8], gso_size: u32, vlan: Option<VlanTag>) {
    let before = *framer.counts();
    let mut emitted = 0;
    let mut longest = 0;
    let mut only = Vec::new();
    framer.frames(&record(data, gso_size, vlan), Segment::Wire, |frame| {
        emitted += 1;
        longest = longest.max(frame.len());
        only = [frame.head, frame.payload].concat();
    });
    let counts = framer.counts();
    assert_eq!(counts.frames - before.frames, emitted);
    assert!(
        longest <= data.len() + 4,
        "no frame is longer than what it was made of"
    );
    if gso_size == 0 && data.len() >= 14 {
        let mut unchanged = with_tag(data, vlan);
        assert_eq!(emitted, 1, "an ordinary packet always passes");
        if counts.checksums_completed > before.checksums_completed {
            let differ = unchanged.iter().zip(&only).filter(|(a, b)| a != b).count();
            assert!(differ <= 2, "{differ} bytes differ");
            unchanged.clone_from(&only);
        }
        assert_eq!(only, unchanged);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_bytes_are_framed_or_counted(
        records in vec((vec(any::<u8>(), 0..200), gso_sizes(), vlan_tags()), 1..4),
    ) {
        let mut framer = Framer::new();
        for (data, gso_size, vlan) in &records {
            frame_anything(&mut framer, data, *gso_size, *vlan);
        }
        assert_accounted(framer.counts(), framer.counts().frames);
        prop_assert_eq!(framer.counts().records, u64::try_from(records.len()).unwrap());
    }

    #[test]
    fn nearly_right_packets_are_framed_or_counted(
        records in vec((nearly_packets(), gso_sizes(), vlan_tags()), 1..4),
    ) {
        let mut framer = Framer::new();
        for (data, gso_size, vlan) in &records {
            frame_anything(&mut framer, data, *gso_size, *vlan);
        }
        assert_accounted(framer.counts(), framer.counts().frames);
    }
}

/// Whatever a kernel may say of a packet.
type Said = (Option<GsoType>, SkbChecksum, Option<usize>, bool, bool);

fn said() -> impl Strategy<Value = Said> {
    let bits = vec(0..GsoType::ENUMERATORS.len(), 0..4).prop_map(|bits| {
        bits.iter().fold(GsoType::default(), |all, bit| {
            all | GsoType::ENUMERATORS[*bit].1
        })
    });
    let near = || prop_oneof![0..200_usize, 0..70_000_usize, Just(usize::MAX)];
    let checksum = prop_oneof![
        Just(SkbChecksum::Unknown),
        Just(SkbChecksum::Final),
        (near(), near()).prop_map(|(start, field)| SkbChecksum::Partial { start, field }),
    ];
    (
        proptest::option::of(bits),
        checksum,
        proptest::option::of(near()),
        any::<bool>(),
        any::<bool>(),
    )
}

/// Nearly a packet, in nearly a tunnel or in none.
fn nearly_tunnels() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((0..120_usize, any::<u8>()), 0..=3);
    (
        nearly_packets(),
        proptest::option::of(tunnel::outers()),
        changes,
    )
        .prop_map(|(inner, outer, changes)| {
            let mut data = match outer {
                Some(outer) if inner.len() >= 14 => {
                    outer.wrap(&inner, tunnel::ShellSum::Unfinished).0
                }
                _ => inner,
            };
            for (at, value) in changes {
                if let Some(byte) = data.get_mut(at) {
                    *byte = value;
                }
            }
            data
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    #[test]
    fn whatever_the_kernel_says_each_record_is_framed_or_counted(
        records in vec((nearly_tunnels(), gso_sizes(), vlan_tags(), said()), 1..4),
    ) {
        let mut framer = Framer::new();
        let mut emitted = 0;
        for (data, gso_size, vlan, (gso_type, checksum, inner, is_bare, is_jumbo)) in &records {
            let mut record = record(data, *gso_size, *vlan);
            record.gso_type = *gso_type;
            record.checksum = *checksum;
            record.inner_network_at = *inner;
            record.protocol = 0x0800;
            if *is_bare {
                record.link_layer = LinkLayer::Ip;
            }
            let segment = if *is_jumbo { Segment::Jumbo } else { Segment::Wire };
            framer.frames(&record, segment, |frame| {
                emitted += 1;
                assert!(frame.len() <= data.len() + 18);
            });
        }
        assert_accounted(framer.counts(), emitted);
    }
}

#[test]
fn a_record_that_does_not_hold_its_whole_packet_is_left_out() {
    let (data, _) = plain_packet(true, false, 3_000).build(Field::Partial);
    for gso_size in [0, 1_000] {
        for skb_len in [data.len() - 1, data.len() + 1] {
            let mut record = record(&data, gso_size, None);
            record.skb_len = u32::try_from(skb_len).unwrap();
            let (frames, framer) = frames_of(&record);
            assert!(frames.is_empty());
            assert_eq!(framer.counts().truncated, 1);
        }
    }
}

#[test]
fn runts_are_left_out() {
    for len in 0..14 {
        let data = vec![0; len];
        let (frames, framer) = frames_of(&record(&data, 0, None));
        assert!(frames.is_empty());
        assert_eq!(framer.counts().malformed_left_out, 1);
    }
    let data = [0; 14];
    let (frames, _) = frames_of(&record(&data, 0, None));
    assert_eq!(frames.len(), 1, "an Ethernet header alone is a frame");
}

/// Each way in which a header can contradict itself or its frame.
fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let change = |tcp: bool, v6: bool, at_transport: bool, offset: usize, bytes: &[u8]| {
        let (mut data, at) = plain_packet(tcp, v6, 2_000).build(Field::Partial);
        let start = if at_transport { at.transport } else { at.ip } + offset;
        data[start..start + bytes.len()].copy_from_slice(bytes);
        data
    };
    let mut tag_alone = vec![0; 12];
    tag_alone.extend([0x81, 0x00, 0x00]);
    let mut routed = plain_packet(true, true, 2_000);
    routed.hop_by_hop = true;
    let (mut extension, at) = routed.build(Field::Partial);
    extension[at.ip + 41] = 255;
    vec![
        ("IPv4 version", change(true, false, false, 0, &[0x65])),
        ("IPv4 header length", change(true, false, false, 0, &[0x44])),
        ("IPv6 version", change(true, true, false, 0, &[0x40])),
        (
            "TCP data offset too small",
            change(true, false, true, 12, &[0x40]),
        ),
        ("a tag without an EtherType", tag_alone),
        ("an extension header beyond the packet", extension),
    ]
}

#[test]
fn malformed_packets_pass_unchanged_and_counted() {
    let change = |tcp: bool, v6: bool, at_transport: bool, offset: usize, bytes: &[u8]| {
        let (mut data, at) = plain_packet(tcp, v6, 20).build(Field::Partial);
        let start = if at_transport { at.transport } else { at.ip } + offset;
        data[start..start + bytes.len()].copy_from_slice(bytes);
        data
    };
    // A super-frame is cut whatever its lengths say, an ordinary packet is not
    // believed.
    let lengths = vec![
        (
            "IPv4 length beyond the frame",
            change(true, false, false, 2, &[0xff, 0xff]),
        ),
        (
            "IPv4 length within its header",
            change(true, false, false, 2, &[0, 19]),
        ),
        ("IPv4 length 0", change(true, false, false, 2, &[0, 0])),
        (
            "IPv6 length beyond the frame",
            change(true, true, false, 4, &[0xff, 0xff]),
        ),
        (
            "IPv6 length within the TCP header",
            change(true, true, false, 4, &[0, 19]),
        ),
        (
            "TCP data offset beyond the packet",
            change(true, false, true, 12, &[0xf0]),
        ),
        (
            "UDP length beyond the packet",
            change(false, false, true, 4, &[0, 29]),
        ),
        (
            "UDP length within its header",
            change(false, false, true, 4, &[0, 7]),
        ),
    ];
    let mut fragment = change(true, false, false, 2, &[0, 19]);
    fragment[20] = 0x20;
    let lengths = lengths
        .into_iter()
        .chain([("a fragment's length within its header", fragment)]);
    for (what, data) in malformed().into_iter().chain(lengths) {
        for vlan in [
            None,
            Some(VlanTag {
                proto: 0x8100,
                tci: 0,
            }),
        ] {
            let (frames, framer) = frames_of(&record(&data, 0, vlan));
            assert_eq!(frames, [with_tag(&data, vlan)], "{what}");
            assert_eq!(framer.counts().malformed_passed, 1, "{what}");
        }
    }
}

#[test]
fn malformed_super_frames_are_left_out() {
    for (what, data) in malformed() {
        let (frames, framer) = frames_of(&record(&data, 500, None));
        assert!(frames.is_empty(), "{what}");
        assert_eq!(framer.counts().malformed_left_out, 1, "{what}");
    }
}

#[test]
fn each_kind_passes_and_is_counted() {
    let ethernet = |ethertype: u16| {
        let mut data = vec![0x11; 60];
        data[12..14].copy_from_slice(&ethertype.to_be_bytes());
        data
    };
    let ip = |v6: bool, number: u8| {
        let (mut data, at) = plain_packet(true, v6, 100).build(Field::Partial);
        data[at.ip + if v6 { 6 } else { 9 }] = number;
        data
    };
    let cases = [
        ("arp", ethernet(0x0806)),
        ("non_ip", ethernet(0x88cc)),
        ("non_ip", ethernet(0x002e)),
        ("icmp", ip(false, 1)),
        ("icmp", ip(true, 58)),
        ("other_ip", ip(false, 58)),
        ("other_ip", ip(true, 59)),
        ("sctp", ip(false, 132)),
        ("sctp", ip(true, 132)),
        ("fragment", ip(true, 44)),
        ("tcp", ip(false, 6)),
        ("tcp", ip(true, 6)),
        ("udp", plain_packet(false, true, 5).build(Field::Valid).0),
    ];
    for (name, data) in cases {
        let (frames, framer) = frames_of(&record(&data, 0, None));
        assert_eq!(frames.len(), 1);
        let mut one = framer.counts().named().to_vec();
        one.retain(|(count, value)| {
            *value == 1 && !["records", "frames", "checksums_completed"].contains(count)
        });
        assert_eq!(one, [(name, 1)]);
    }
}

#[test]
fn the_tag_beside_a_packet_goes_in_front_of_the_one_in_it() {
    let mut packet = plain_packet(true, false, 100);
    packet.tags = vec![(0x8100, 7)];
    for field in [Field::Valid, Field::Partial] {
        let (data, _) = packet.build(field);
        let tag = VlanTag {
            proto: 0x88a8,
            tci: 0,
        };
        let (frames, framer) = frames_of(&record(&data, 0, Some(tag)));
        assert_eq!(frames[0][12..20], [0x88, 0xa8, 0, 0, 0x81, 0, 0, 7]);
        assert!(see(&frames[0], &packet).checksum_valid());
        assert_eq!(framer.counts().vlan_put_back, 1);
    }
}

#[test]
fn an_unchanged_frame_is_the_records_own_bytes() {
    let (data, _) = plain_packet(true, false, 1_000).build(Field::Valid);
    Framer::new().frames(&record(&data, 0, None), Segment::Wire, |frame| {
        assert_eq!(frame.head.as_ptr(), data.as_ptr());
        assert!(frame.payload.is_empty());
    });
}

#[test]
fn payload_is_never_copied() {
    let (data, at) = plain_packet(true, false, 5_000).build(Field::Partial);
    let mut expected = data[at.payload..].as_ptr_range().start;
    for gso_size in [1_000, 0] {
        Framer::new().frames(&record(&data, gso_size, None), Segment::Wire, |frame| {
            assert_eq!(frame.payload.as_ptr(), expected);
            expected = frame.payload.as_ptr_range().end;
        });
        expected = data[at.payload..].as_ptr_range().start;
    }
}
