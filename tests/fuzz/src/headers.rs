//! Where headers begin, by two parsers.

use etherparse::{LinkExtSlice, NetSlice, SlicedPacket, TransportSlice};

use crate::engine::headers::{Extent, Headers, Ip, IpPacket, Kind, Protocol, Transport, parse};

/// Panics unless the offsets of any frame ascend and lie within it, and are
/// those of etherparse where both accept the frame.
pub fn check(frame: &[u8]) {
    for extent in [Extent::Header, Extent::Frame] {
        let end = match parse(frame, extent) {
            Ok(Headers::Transport(transport)) => {
                in_order(frame, &transport);
                transport.end
            }
            Ok(Headers::Ip(packet)) => {
                let IpPacket {
                    ip_at,
                    payload_at,
                    end,
                    ..
                } = packet;
                let ascending = [14, ip_at, payload_at, end, frame.len()];
                assert!(ascending.is_sorted() && ip_at < payload_at, "{packet:?}");
                end
            }
            Ok(Headers::Other(_)) | Err(_) => continue,
        };
        if extent == Extent::Frame {
            assert_eq!(end, frame.len(), "the end of the frame");
        }
    }
    if let (Ok(headers), Ok(other)) = (
        parse(frame, Extent::Header),
        SlicedPacket::from_ethernet(frame),
    ) {
        same(frame, &headers, &other);
    }
}

fn in_order(frame: &[u8], transport: &Transport) {
    let Transport {
        ip_at,
        transport_at,
        payload_at,
        end,
        ..
    } = *transport;
    let ascending = [0, 14, ip_at, transport_at, payload_at, end, frame.len()];
    assert!(ascending.is_sorted(), "{transport:?}");
    assert!(
        ip_at < transport_at && transport_at < payload_at,
        "{transport:?}"
    );
    assert!(transport.checksum_at() + 2 <= payload_at, "{transport:?}");
    assert!(transport.counted_headers_len() >= payload_at - transport_at);
    assert!(transport.ip_length(frame).is_some(), "{transport:?}");
    if let Ip::V6(v6) = transport.ip
        && let Some(at) = v6.final_destination_at
    {
        assert!(at >= ip_at + 24 && at + 16 <= transport_at, "{transport:?}");
    }
}

/// What etherparse found, in the engine's words.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    protocol: Protocol,
    v4: bool,
    ip_at: usize,
    transport_at: usize,
    payload_at: usize,
    end: usize,
}

fn same(frame: &[u8], headers: &Headers, other: &SlicedPacket<'_>) {
    if out_of_scope(other) {
        return;
    }
    let found = found(frame, other);
    match headers {
        Headers::Transport(transport) => {
            let ours = Found {
                protocol: transport.protocol,
                v4: transport.ip == Ip::V4,
                ip_at: transport.ip_at,
                transport_at: transport.transport_at,
                payload_at: transport.payload_at,
                end: transport.end,
            };
            assert_eq!(found, Some(ours), "etherparse, and ours");
        }
        Headers::Ip(packet) => {
            let kind = headers.kind();
            assert!(
                agree(kind, other),
                "{kind:?}, and by etherparse {found:?}: {frame:02x?}"
            );
            same_packet(frame, packet, other);
        }
        Headers::Other(kind) => assert!(
            agree(*kind, other),
            "{kind:?}, and by etherparse {found:?}: {frame:02x?}"
        ),
    }
}

/// What carries neither TCP nor UDP has its payload in the same place.
fn same_packet(frame: &[u8], packet: &IpPacket, other: &SlicedPacket<'_>) {
    let at = |part: &[u8]| part.as_ptr().addr() - frame.as_ptr().addr();
    let (v4, ip, payload, has_length) = match &other.net {
        Some(NetSlice::Ipv4(ip)) => (true, ip.header().slice(), ip.payload(), true),
        Some(NetSlice::Ipv6(ip)) => {
            // To etherparse, no length is one to the end of the frame.
            let has_length = ip.header().payload_length() != 0;
            (false, ip.header().slice(), ip.payload(), has_length)
        }
        _ => panic!("{packet:?}, and no IP by etherparse"),
    };
    assert_eq!(v4, packet.ip == Ip::V4, "{packet:?}");
    assert_eq!(at(ip), packet.ip_at, "{packet:?}");
    if has_length {
        assert_eq!(payload.ip_number.0, packet.protocol, "{packet:?}");
        let range = at(payload.payload)..at(payload.payload) + payload.payload.len();
        assert_eq!(range, packet.payload_at..packet.end, "{packet:?}");
    }
}

/// Whether etherparse read on where the engine, as it says, does not: behind
/// MACsec, and behind headers that no GSO packet of Linux has.
fn out_of_scope(other: &SlicedPacket<'_>) -> bool {
    let is_macsec = |header: &LinkExtSlice<'_>| matches!(header, LinkExtSlice::Macsec(_));
    other.link_exts.iter().any(is_macsec)
        // More tags than etherparse reads.
        || other.link_exts.is_full()
        || match &other.net {
            Some(NetSlice::Ipv4(ip)) => ip.extensions().auth.is_some(),
            Some(NetSlice::Ipv6(ip)) => ip.extensions().clone().into_iter().any(|header| {
                !matches!(
                    header,
                    etherparse::Ipv6ExtensionSlice::HopByHop(_)
                        | etherparse::Ipv6ExtensionSlice::Routing(_)
                        | etherparse::Ipv6ExtensionSlice::Fragment(_)
                        | etherparse::Ipv6ExtensionSlice::DestinationOptions(_)
                )
            }),
            _ => false,
        }
}

/// Whether a packet that the engine leaves as it is is of that kind.
fn agree(kind: Kind, other: &SlicedPacket<'_>) -> bool {
    let transport = other.transport.as_ref();
    match kind {
        // Only those whose datagram is shorter than their packet.
        Kind::Udp => matches!(transport, Some(TransportSlice::Udp(_))),
        Kind::Icmp => matches!(
            transport,
            Some(TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_))
        ),
        Kind::Fragment => match &other.net {
            Some(NetSlice::Ipv4(ip)) => ip.header().is_fragmenting_payload(),
            // Also one that is whole (RFC 6946).
            Some(NetSlice::Ipv6(ip)) => ip
                .extensions()
                .clone()
                .into_iter()
                .any(|header| matches!(header, etherparse::Ipv6ExtensionSlice::Fragment(_))),
            _ => false,
        },
        Kind::Arp => matches!(other.net, Some(NetSlice::Arp(_))),
        Kind::NonIp => other.net.is_none(),
        Kind::Sctp | Kind::OtherIp => {
            no_transport(other) && matches!(other.net, Some(NetSlice::Ipv4(_) | NetSlice::Ipv6(_)))
        }
        // TCP is always taken apart.
        Kind::Tcp => false,
    }
}

/// Whether there is neither TCP nor UDP, nor the ICMP that goes with the version
/// of IP: etherparse also reads the other one.
fn no_transport(other: &SlicedPacket<'_>) -> bool {
    !matches!(
        (&other.net, &other.transport),
        (_, Some(TransportSlice::Tcp(_) | TransportSlice::Udp(_)))
            | (Some(NetSlice::Ipv4(_)), Some(TransportSlice::Icmpv4(_)))
            | (Some(NetSlice::Ipv6(_)), Some(TransportSlice::Icmpv6(_)))
    )
}

fn found(frame: &[u8], other: &SlicedPacket<'_>) -> Option<Found> {
    let at = |part: &[u8]| part.as_ptr().addr() - frame.as_ptr().addr();
    let (protocol, header, payload) = match other.transport.as_ref()? {
        TransportSlice::Tcp(tcp) => (Protocol::Tcp, tcp.slice(), tcp.payload()),
        TransportSlice::Udp(udp) => (Protocol::Udp, udp.slice(), udp.payload()),
        _ => return None,
    };
    let (v4, ip) = match other.net.as_ref()? {
        NetSlice::Ipv4(ip) => (true, ip.header().slice()),
        NetSlice::Ipv6(ip) => (false, ip.header().slice()),
        NetSlice::Arp(_) => return None,
    };
    Some(Found {
        protocol,
        v4,
        ip_at: at(ip),
        transport_at: at(header),
        payload_at: at(payload),
        end: at(payload) + payload.len(),
    })
}
