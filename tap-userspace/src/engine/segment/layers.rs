//! What a super-frame is made of, and by which rules it is cut.

use super::Unsegmentable;
use crate::engine::checksum::partial::Partial;
use crate::engine::decode::Record;
use crate::engine::headers::tunnel::{Carrier, Tunnel};
use crate::engine::headers::{
    Extent, Headers, Ip, Kind, Malformed, Protocol, Transport, UDP_CHECKSUM, field,
};
use crate::engine::link::parse_record;
use crate::engine::offload::{GsoType, SkbChecksum};

/// The `gso_type` of each kind of tunnel. IP in IPv4 and IP in IPv6 are two
/// levels where both are set.
const TUNNELS: [(GsoType, Carrier); 4] = [
    (GsoType::IPXIP4, Carrier::Ip),
    (GsoType::IPXIP6, Carrier::Ip),
    (GsoType::GRE, Carrier::Gre),
    (GsoType::UDP_TUNNEL, Carrier::Udp),
];
/// The same with a checksum in the tunnel's header.
const TUNNELS_WITH_CHECKSUM: [(GsoType, Carrier); 2] = [
    (GsoType::GRE_CSUM, Carrier::Gre),
    (GsoType::UDP_TUNNEL_CSUM, Carrier::Udp),
];

/// A super-frame's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// The tunnel around what is cut.
    pub(super) outer: Option<Outer>,
    /// What is cut, read with [`Extent::Frame`].
    pub(super) transport: Transport,
    pub(super) rules: Rules,
}

/// A tunnel around what is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outer {
    pub(super) tunnel: Tunnel,
    /// Whether its header has a checksum that is to be computed.
    pub(super) has_checksum: bool,
    /// Whether the length in the sum that is in a UDP header's checksum field
    /// is the header's own (`SKB_GSO_PARTIAL`), not that of the skb.
    pub(super) has_own_length: bool,
}

/// What `gso_type` and `ip_summed` say of how to cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// The IPv4 identification of the tunnel's header is the same in each
    /// frame.
    pub(super) has_fixed_outer_id: bool,
    /// So is that of the header under the transport.
    pub(super) has_fixed_id: bool,
    /// CWR stays on each frame.
    pub(super) keeps_cwr: bool,
    /// The checksum field holds no sum of the pseudo-header.
    pub(super) sums_anew: bool,
    /// The boundaries are those that receiving most likely had.
    pub(super) is_inferred: bool,
}

/// Why a super-frame has no layers that can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayersError {
    /// Its headers contradict themselves.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is of a kind that is not cut, or not what the kernel says it is.
    #[error(transparent)]
    Unsegmentable(#[from] Unsegmentable),
}

impl Layers {
    /// Those of a super-frame.
    ///
    /// # Errors
    /// When its headers contradict themselves, it is of a kind that cannot be
    /// cut truly, or it is not what its metadata says.
    pub fn of(record: &Record<'_>) -> Result<Self, LayersError> {
        let headers = parse_record(record, Extent::Frame)?;
        let outer = match record.gso_type {
            Some(gso_type) => told(record, &headers, gso_type)?,
            None => by_content(record.data, &headers),
        };
        let headers = match &outer {
            None => headers,
            Some(outer) if outer.tunnel.has_sequence_numbers(record.data) => {
                return Err(Unsegmentable.into());
            }
            Some(outer) => outer.tunnel.parse(record.data, Extent::Frame)?,
        };
        let Headers::Transport(transport) = headers else {
            return Err(Unsegmentable.into());
        };
        let is_twice_in_a_tunnel = record.gso_type.is_none()
            && outer.is_some()
            && Tunnel::by_content(record.data, &headers).is_some();
        let is_as_told = record
            .gso_type
            .is_none_or(|gso_type| gso_type.has(transport_type(&transport)))
            // `tcp_gso_segment`, `__udp_gso_segment`.
            && !matches!(record.checksum, SkbChecksum::Partial { start, .. }
                if start != transport.transport_at);
        if !is_as_told || is_twice_in_a_tunnel {
            return Err(Unsegmentable.into());
        }
        let rules = rules(record, outer.is_some(), transport.protocol);
        Ok(Self {
            outer,
            transport,
            rules,
        })
    }

    /// What is cut.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Bytes that are cut into payloads.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.transport.end - self.transport.payload_at
    }

    /// Whether it is in a tunnel, and has checksums that are to be completed:
    /// more than one, perhaps, which only cutting does.
    #[must_use]
    pub fn is_unfinished_tunnel(&self, record: &Record<'_>) -> bool {
        self.is_tunnel()
            && match record.checksum {
                SkbChecksum::Final => false,
                SkbChecksum::Partial { .. } => true,
                SkbChecksum::Unknown => {
                    Partial::of_transport(record.data, &self.transport).is_some()
                }
            }
    }

    /// The kind of packet, by its outermost layer.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match (self.outer, self.transport.protocol) {
            (None, Protocol::Tcp) => Kind::Tcp,
            (None, Protocol::Udp) => Kind::Udp,
            (Some(outer), _) if outer.tunnel.carrier == Carrier::Udp => Kind::Udp,
            (Some(_), _) => Kind::OtherIp,
        }
    }

    /// Whether it is in a tunnel.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.outer.is_some()
    }

    /// Whether its boundaries are inferred: those of a fragment list
    /// (`SKB_GSO_FRAGLIST`) are the packets that were received, which GRO puts
    /// together only while they are of one length (`udp_gro_receive_segment`,
    /// `tcp_gro_receive`). Their own IP IDs and flags are lost.
    #[must_use]
    pub fn is_inferred(&self) -> bool {
        self.rules.is_inferred
    }

    /// Offset of the outermost IP header.
    pub(super) fn ip_at(&self) -> usize {
        self.outer
            .map_or(self.transport.ip_at, |outer| outer.tunnel.ip_at)
    }

    /// Offset of what the outermost IP length counts from.
    pub(super) fn counted_from(&self) -> usize {
        let ip = self
            .outer
            .map_or(self.transport.ip, |outer| outer.tunnel.ip);
        ip.counted_from(self.ip_at())
    }
}

/// The tunnel that the kernel says is there.
fn told(
    record: &Record<'_>,
    headers: &Headers,
    gso_type: GsoType,
) -> Result<Option<Outer>, Unsegmentable> {
    // A fragment list's boundaries are those of its packets in SCTP
    // (GSO_BY_FRAGS); UDP fragments are not datagrams; and what has no name
    // here cannot be known to be harmless.
    if gso_type.has(GsoType::OTHER | GsoType::UDP | GsoType::SCTP) {
        return Err(Unsegmentable);
    }
    let mut set = TUNNELS
        .into_iter()
        .map(|(bit, carrier)| (bit, carrier, false))
        .chain(TUNNELS_WITH_CHECKSUM.map(|(bit, carrier)| (bit, carrier, true)))
        .filter(|(bit, ..)| gso_type.has(*bit));
    let Some((_, carrier, has_checksum)) = set.next() else {
        return Ok(None);
    };
    if set.next().is_some() {
        return Err(Unsegmentable);
    }
    let tunnel = match record.inner_network_at {
        Some(at) => Tunnel::told(headers, carrier, at),
        None => Tunnel::by_content(record.data, headers).filter(|tunnel| tunnel.carrier == carrier),
    };
    let tunnel = tunnel.ok_or(Unsegmentable)?;
    if has_checksum && carrier == Carrier::Gre && !tunnel.has_room_for_gre_checksum(record.data) {
        return Err(Unsegmentable);
    }
    let outer = Outer {
        tunnel,
        has_checksum,
        has_own_length: gso_type.has(GsoType::PARTIAL),
    };
    Ok(Some(outer))
}

/// The tunnel that a packet looks like. A checksum in its header is not 0 then:
/// it holds the pseudo-header's sum (net/ipv4/udp_tunnel_core.c
/// `udp_set_csum`).
fn by_content(frame: &[u8], headers: &Headers) -> Option<Outer> {
    let tunnel = Tunnel::by_content(frame, headers)?;
    let has_checksum = match tunnel.carrier {
        Carrier::Udp => field::read_u16(frame, tunnel.header_at + UDP_CHECKSUM) != Some(0),
        Carrier::Gre => tunnel.gre_checksum_at(frame).is_some(),
        Carrier::Ip => false,
    };
    Some(Outer {
        tunnel,
        has_checksum,
        has_own_length: false,
    })
}

/// What the kernel calls a super-frame of this transport.
fn transport_type(transport: &Transport) -> GsoType {
    match (transport.protocol, transport.ip) {
        (Protocol::Tcp, Ip::V4) => GsoType::TCPV4,
        (Protocol::Tcp, Ip::V6(_)) => GsoType::TCPV6,
        (Protocol::Udp, _) => GsoType::UDP_L4,
    }
}

fn rules(record: &Record<'_>, is_tunnel: bool, protocol: Protocol) -> Rules {
    let has = |any_of| record.gso_type.is_some_and(|gso_type| gso_type.has(any_of));
    let is_fragment_list = has(GsoType::FRAGLIST);
    Rules {
        has_fixed_outer_id: is_tunnel && has(GsoType::TCP_FIXEDID),
        has_fixed_id: has(GsoType::TCP_FIXEDID_INNERMOST
            | if is_tunnel {
                GsoType::TCP_FIXEDID_INNER
            } else {
                GsoType::TCP_FIXEDID
            }),
        keeps_cwr: has(GsoType::TCP_ACCECN),
        // `tcp4_gso_segment`, `tcp6_gso_segment`; `__udp_gso_segment` does so
        // for fragment lists alone.
        sums_anew: is_fragment_list
            || protocol == Protocol::Tcp && record.checksum == SkbChecksum::Final,
        is_inferred: is_fragment_list,
    }
}
