//! Cases that once came out otherwise than the kernel's. Their frames are also
//! in `tap-userspace/tests/engine_cases.rs`, for machines without root.

use tap_common::Metadata;

use crate::{
    packet::{Field, Ip, Packet, Transport},
    stage::{Stage, Way},
    vnet::{Gso, NEEDS_CSUM, VnetHeader},
};

/// To the kernel, a 0 in a super-frame's UDP checksum is a sum like any other.
#[test]
#[ignore = "needs root"]
fn root_a_udp_super_frame_without_a_checksum_is_given_one() {
    assert_same(&udp(ipv4()), Field::Value(0));
}

/// An IP length of 0 behind which no jumbo option is: not BIG TCP.
#[test]
#[ignore = "needs root"]
fn root_options_and_no_length_are_no_jumbo_header() {
    let mut packet = udp(ipv6());
    packet.ip_length = Some(0);
    assert_same(&packet, Field::Partial);
}

fn assert_same(packet: &Packet, field: Field) {
    let (frame, at) = packet.build(field);
    let header = VnetHeader {
        flags: NEEDS_CSUM,
        gso: Gso::UdpL4,
        gso_size: 4,
        hdr_len: at.payload as u16,
        csum_start: at.transport as u16,
        csum_offset: at.checksum as u16,
    };
    let mut stage = Stage::any_length(Way::Direct, Metadata::Kfuncs);
    let both = stage.send(header, &frame).expect("to send");
    stage.finish();
    assert_eq!(both.kernels.len(), 3, "{both:02x?}");
    assert_eq!(both.difference(), None);
}

fn udp(ip: Ip) -> Packet {
    Packet {
        macs: [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2],
        tags: Vec::new(),
        ip,
        transport: Transport::Udp {
            ports: 0x1234_2345,
            length: None,
        },
        payload: (1..=10).collect(),
        trailer: Vec::new(),
        ip_length: None,
        final_destination: None,
    }
}

fn ipv4() -> Ip {
    Ip::V4 {
        tos: 0,
        id: 7,
        fragment: 0,
        ttl: 64,
        wrong_by: 0,
        addresses: vec![10, 0, 0, 1, 10, 0, 0, 2],
        options: Vec::new(),
    }
}

fn ipv6() -> Ip {
    Ip::V6 {
        flow: 0,
        hop_limit: 64,
        addresses: [[0xfd; 16], [0xfe; 16]].concat(),
        // Six bytes of padding (RFC 8200 section 4.2).
        extensions: vec![(0, vec![0, 0, 1, 4, 0, 0, 0, 0])],
    }
}
