//! What the frame engine costs on one core: decode, cut, complete, sum.
//!
//! `cargo bench --package tap-userspace`. Throughput is in packets' own terms:
//! frames for what makes frames, bytes for what reads bytes.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "like a test: it says what it expects by panicking"
)]

use std::{hint::black_box, mem::offset_of};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use tap_common::{ABI_VERSION, CHECKSUM_PARTIAL, Direction, Known, RecordHeader};
use tap_userspace::{
    engine::{checksum::Sum, decode::decode, framer::Framer, offload::GsoTypes},
    model::Segment,
};

/// Payload of a full segment of MTU 1500 with TCP timestamps.
const MSS_BYTES: usize = 1448;
/// As many of those as the kernel puts into one skb.
const SEGMENTS: usize = 45;
/// Where the TCP header of a frame without IP options begins, and where its
/// checksum field is from there.
const TCP_START: u16 = 14 + 20;
const TCP_CHECKSUM: u16 = 16;

/// What the kernel side would put in the ring. All that is known of the
/// record's layout is here.
fn record(packet: &[u8], gso_size: usize) -> Vec<u8> {
    let len = u32::try_from(packet.len()).expect("a packet's length");
    let gso_size = u32::try_from(gso_size).expect("a segment's length");
    let mut bytes = vec![0; RecordHeader::SIZE_BYTES];
    let mut put = |offset: usize, field: &[u8]| {
        bytes[offset..offset + field.len()].copy_from_slice(field);
    };
    put(offset_of!(RecordHeader, skb_len), &len.to_ne_bytes());
    put(offset_of!(RecordHeader, captured_len), &len.to_ne_bytes());
    put(offset_of!(RecordHeader, gso_size), &gso_size.to_ne_bytes());
    put(offset_of!(RecordHeader, direction), &[Direction::Out as u8]);
    put(
        offset_of!(RecordHeader, csum_start),
        &TCP_START.to_ne_bytes(),
    );
    put(
        offset_of!(RecordHeader, csum_offset),
        &TCP_CHECKSUM.to_ne_bytes(),
    );
    put(offset_of!(RecordHeader, ip_summed), &[CHECKSUM_PARTIAL]);
    put(
        offset_of!(RecordHeader, known),
        &[Known::IP_SUMMED | Known::OFFSETS],
    );
    put(
        offset_of!(RecordHeader, version),
        &ABI_VERSION.to_ne_bytes(),
    );
    bytes.extend(packet);
    bytes
}

/// A TCP packet over IPv4 whose checksum the kernel has left partial.
fn partial_tcp(payload_len: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..=u8::MAX).cycle().take(payload_len).collect();
    let mut packet = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(80, 4000, 1, 1000)
        .write(&mut packet, &payload)
        .expect("a packet");
    let tcp_len = u32::try_from(20 + payload_len).expect("a length");
    let pseudo_header = Sum::of(&packet[26..34]) + Sum::of_u16(6) + Sum::of_u32(tcp_len);
    let field = usize::from(TCP_START + TCP_CHECKSUM);
    packet[field..field + 2].copy_from_slice(&pseudo_header.fold().to_be_bytes());
    packet
}

/// Makes all frames of a record; returns how many.
fn frames(framer: &mut Framer, record: &[u8]) -> usize {
    let record = decode(record, &GsoTypes::default()).expect("a record");
    let mut frames = 0;
    framer.frames(&record, Segment::Wire, |frame| {
        black_box(frame);
        frames += 1;
    });
    frames
}

fn decoding(criterion: &mut Criterion) {
    let small = record(&partial_tcp(10), 0);
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("record", |bencher| {
        bencher
            .iter(|| decode(black_box(&small), &GsoTypes::default()).map(|record| record.skb_len));
    });
    group.finish();
}

fn framing(criterion: &mut Criterion) {
    let mut framer = Framer::new();
    let mut group = criterion.benchmark_group("frames");
    for (name, payload_len, gso_size, made) in [
        ("super-frame", SEGMENTS * MSS_BYTES, MSS_BYTES, SEGMENTS),
        ("partial-64", 10, 0, 1),
        ("partial-1514", MSS_BYTES + 12, 0, 1),
    ] {
        let bytes = record(&partial_tcp(payload_len), gso_size);
        assert_eq!(frames(&mut framer, &bytes), made, "{name}");
        group.throughput(Throughput::Elements(made as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| frames(&mut framer, black_box(&bytes)));
        });
    }
    assert!(framer.counts().checksums_completed > 0, "none was partial");
    group.finish();
}

fn summing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for len in [64, 1460, 64 << 10] {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("{len}"), |bencher| {
            bencher.iter(|| Sum::of(black_box(&bytes)));
        });
    }
    group.finish();
}

criterion_group!(benches, decoding, framing, summing);
criterion_main!(benches);
