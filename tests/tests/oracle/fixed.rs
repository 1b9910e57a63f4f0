//! Segments that all have the same IP identification, as some senders make
//! them of packets that are never fragmented (RFC 6864): GRO notes it, and they
//! become themselves again.

use tap_common::Metadata;
use tap_userspace::engine::framer::FramerCounts;
use tests::Veth;

use crate::{
    packet::{Field, Ip, Packet, Transport},
    received,
    tap::RUNGS,
    vnet::{VnetHeader, VnetSocket},
    vxlan::Vxlan,
};

/// Segments that are put together.
pub(crate) const SEGMENTS: u16 = 6;
pub(crate) const SEGMENT_BYTES: u16 = 100;
const PORT: u16 = 4789;

#[test]
#[ignore = "needs root"]
fn root_received_segments_of_one_identification_keep_it() {
    // What podtap cannot ask, it counts up.
    for metadata in [Metadata::Kfuncs, Metadata::ProbeReads] {
        let counts = received::compare_on(waiting_veth(), metadata, |veth, _| {
            send(veth, |index| segment(index, 7).build(Field::Right).0);
        });
        expect_put_together(&counts);
    }
}

#[test]
#[ignore = "needs root"]
fn root_received_segments_that_count_go_on_counting() {
    for metadata in RUNGS {
        let counts = received::compare_on(waiting_veth(), metadata, |veth, _| {
            send(veth, |index| {
                segment(index, 0xfffe_u16.wrapping_add(index))
                    .build(Field::Right)
                    .0
            });
        });
        expect_put_together(&counts);
    }
}

#[test]
#[ignore = "needs root"]
fn root_received_segments_in_a_tunnel_keep_the_identifications_that_they_had() {
    for metadata in [Metadata::Kfuncs, Metadata::ProbeReads] {
        for (outer_fixed, inner_fixed) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let veth = waiting_veth();
            let tunnel = Vxlan {
                outer_v6: false,
                checksum: false,
                port: PORT,
            };
            tunnel.dig(&veth);
            let counts = received::compare_on(veth, metadata, |veth, _| {
                let id = |is_fixed, index| if is_fixed { 9 } else { 9 + index };
                send(veth, |index| {
                    let (inner, _) = segment(index, id(inner_fixed, index)).build(Field::Right);
                    around(inner, id(outer_fixed, index))
                        .build(Field::Value(0))
                        .0
                });
            });
            eprintln!("{outer_fixed} {inner_fixed} {counts:?}");
            assert!(counts.tunnel > 0, "{counts:?}");
        }
    }
}

/// A cable whose pod end waits for more segments before it passes them on.
pub(crate) fn waiting_veth() -> Veth {
    let veth = Veth::new();
    let script = "mount -t sysfs sysfs /sys && \
                  echo 1000000000 > /sys/class/net/eth0/gro_flush_timeout";
    let output = veth
        .pod
        .netns
        .output("unshare", &["-m", "sh", "-c", script]);
    assert!(output.status.success(), "{output:?}");
    veth
}

/// Panics unless GRO put something together: all segments, but for those that
/// came before a tick of the kernel's clock, with which it passes on what it has
/// (`napi_gro_flush` with `flush_old`, net/core/gro.c).
pub(crate) fn expect_put_together(counts: &FramerCounts) {
    assert!(counts.super_frames > 0, "{counts:?}");
    assert!(counts.segments > counts.super_frames, "{counts:?}");
}

pub(crate) fn send(veth: &Veth, frame: impl Fn(u16) -> Vec<u8>) {
    let sender = veth
        .peer
        .netns
        .inside(|| VnetSocket::open(veth.peer.link().index))
        .expect("a packet socket");
    for index in 0..SEGMENTS {
        sender
            .send(VnetHeader::default(), &frame(index))
            .expect("to send");
    }
}

/// One segment of a connection that nobody has.
pub(crate) fn segment(index: u16, id: u16) -> Packet {
    let is_last = index + 1 == SEGMENTS;
    Packet {
        transport: Transport::Tcp {
            ports: 0x1234_2345,
            sequence: 1000 + u32::from(index * SEGMENT_BYTES),
            acknowledged: 5,
            // PSH ends what GRO puts together.
            flags: if is_last { 0x18 } else { 0x10 },
            window: 500,
            urgent: 0,
            options: Vec::new(),
        },
        payload: vec![index as u8 + 1; usize::from(SEGMENT_BYTES)],
        ..packet(id)
    }
}

/// A VXLAN packet (RFC 7348) around a frame.
fn around(inner: Vec<u8>, id: u16) -> Packet {
    let header = [8, 0, 0, 0, 0, 0, 77, 0];
    Packet {
        transport: Transport::Udp {
            ports: 0xc001_0000 | u32::from(PORT),
            length: None,
        },
        payload: [&header[..], &inner].concat(),
        ..packet(id)
    }
}

/// Between the two ends of the cable.
pub(crate) fn packet(id: u16) -> Packet {
    Packet {
        macs: [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2],
        tags: Vec::new(),
        ip: Ip::V4 {
            tos: 0,
            id,
            // Don't fragment.
            fragment: 0x4000,
            ttl: 64,
            wrong_by: 0,
            addresses: vec![10, 99, 0, 2, 10, 99, 0, 1],
            options: Vec::new(),
        },
        transport: Transport::Other(0),
        payload: Vec::new(),
        trailer: Vec::new(),
        ip_length: None,
        final_destination: None,
    }
}
