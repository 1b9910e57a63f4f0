//! What the kernel programs say of skbs whose state is known, since a test
//! made them: for each way of asking.

use std::num::NonZeroU32;

use tap_common::{Direction, Metadata};
use tap_userspace::{
    adapter::bpf::{Hook, Kernel, MetadataWay, Shared, SharedError, SharedOptions},
    agent::target::Target,
    engine::{
        decode::decode,
        offload::{GsoType, SkbChecksum},
    },
    model::{Directions, TargetId},
};

use crate::{Veth, craft, tcp_transfer, udp_datagrams};

/// Room for everything that is sent.
const RING_BYTES: NonZeroU32 = NonZeroU32::new(1 << 25).expect("not 0");
const TRANSFER_BYTES: usize = 300_000;
const ETHERNET_BYTES: usize = 14;

/// One record, without its target and times.
#[derive(Debug)]
struct Seen {
    direction: Direction,
    gso_size: u32,
    gso_type: Option<GsoType>,
    checksum: SkbChecksum,
    inner_network_at: Option<usize>,
    data: Vec<u8>,
}

/// Sends TCP over IPv4 and IPv6, a UDP datagram, and a datagram whose checksum
/// is wrong, through a tap that asks for metadata this way; checks all that it
/// says, and returns how much that was, in words.
///
/// # Errors
/// When this kernel does not offer the way.
pub fn metadata_is_true(metadata: Metadata) -> Result<String, SharedError> {
    let options = SharedOptions {
        ring_bytes: RING_BYTES,
        metadata: MetadataWay::Only(metadata),
        pins: None,
    };
    let mut kernel = Shared::open(options)?;
    assert_eq!(kernel.metadata, metadata);
    let veth = Veth::new();
    let seen = traffic(&mut kernel, &veth);
    let supers = [
        tcp(&seen, &veth, metadata, false),
        tcp(&seen, &veth, metadata, true),
    ];
    udp(&seen, metadata);
    corrupt(&seen, metadata);
    let known = seen
        .iter()
        .filter(|seen| seen.checksum != SkbChecksum::Unknown)
        .count();
    Ok(format!(
        "{} and {} super-frames, the checksum's state known of {known} of {} skbs",
        supers[0],
        supers[1],
        seen.len()
    ))
}

/// What the corrupt datagram carries, and the wrong checksum.
const CORRUPT: &[u8] = b"podtap: corrupt";
const WRONG_CHECKSUM: u16 = 0xbad1;

fn traffic(kernel: &mut Kernel, veth: &Veth) -> Vec<Seen> {
    let netns = veth.pod.netns.open();
    let target = Target::attach(
        &kernel.shared,
        TargetId(1),
        &netns,
        "eth0",
        Directions::Both,
        Hook::Auto,
    )
    .expect("a target");
    let (pod, peer) = (&veth.pod, &veth.peer);
    tcp_transfer((pod, pod.ipv4), (peer, peer.ipv4), TRANSFER_BYTES);
    tcp_transfer((pod, pod.ipv6), (peer, peer.ipv6), TRANSFER_BYTES);
    udp_datagrams((pod, pod.ipv4), (peer, peer.ipv4), &[100], None);
    let mut corrupt = craft::udp(pod.ipv4, peer.ipv4, CORRUPT);
    let field = ETHERNET_BYTES + 20 + 6;
    corrupt[field..field + 2].copy_from_slice(&WRONG_CHECKSUM.to_be_bytes());
    pod.packet_socket().send(&corrupt).expect("to send");
    target.detach(Some(&netns)).expect("to detach");
    let mut seen = Vec::new();
    while let Some(item) = kernel.ring.pop() {
        let record = decode(&item, &kernel.gso_types).expect("a record");
        seen.push(Seen {
            direction: record.direction,
            gso_size: record.gso_size,
            gso_type: record.gso_type,
            checksum: record.checksum,
            inner_network_at: record.inner_network_at,
            data: record.data.to_vec(),
        });
    }
    seen
}

/// The super-frames that the pod's stack made: partial, from the TCP header
/// on, and of their own type. Returns how many there are.
fn tcp(seen: &[Seen], veth: &Veth, metadata: Metadata, v6: bool) -> usize {
    let (ip_bytes, source_at) = if v6 { (40, 8) } else { (20, 12) };
    let source = match if v6 { veth.pod.ipv6 } else { veth.pod.ipv4 } {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => address.octets().to_vec(),
    };
    let transport_at = ETHERNET_BYTES + ip_bytes;
    let mut count = 0;
    for seen in seen {
        let from = seen.data.get(ETHERNET_BYTES + source_at..);
        let ours = seen.direction == Direction::Out
            && seen.gso_size > 0
            && from.is_some_and(|from| from.starts_with(&source));
        if !ours {
            continue;
        }
        count += 1;
        assert_eq!(seen.inner_network_at, None, "in no tunnel");
        if metadata == Metadata::Helpers {
            assert_eq!(seen.checksum, SkbChecksum::Unknown);
            assert_eq!(seen.gso_type, None);
            continue;
        }
        let partial = SkbChecksum::Partial {
            start: transport_at,
            field: transport_at + 16,
        };
        assert_eq!(seen.checksum, partial);
        let (is, is_not) = if v6 {
            (GsoType::TCPV6, GsoType::TCPV4)
        } else {
            (GsoType::TCPV4, GsoType::TCPV6)
        };
        let gso_type = seen.gso_type.expect("the type of a super-frame");
        assert!(gso_type.has(is) && !gso_type.has(is_not), "{gso_type:?}");
        let strange = GsoType::OTHER | GsoType::UDP_TUNNEL | GsoType::FRAGLIST;
        assert!(!gso_type.has(strange), "{gso_type:?}");
    }
    assert!(count > 0, "no super-frame (IPv6: {v6})");
    count
}

/// The datagram that a socket sent: no super-frame, and partial.
fn udp(seen: &[Seen], metadata: Metadata) {
    let datagram = find(seen, &[0x55; 100]);
    assert_eq!(datagram.gso_type, None, "no super-frame");
    let expected = match metadata {
        Metadata::Kfuncs => SkbChecksum::Partial {
            start: ETHERNET_BYTES + 20,
            field: ETHERNET_BYTES + 20 + 6,
        },
        Metadata::ProbeReads | Metadata::Helpers => SkbChecksum::Unknown,
    };
    assert_eq!(datagram.checksum, expected);
}

/// A packet that a packet socket sent as it is: nobody completes it.
fn corrupt(seen: &[Seen], metadata: Metadata) {
    let expected = match metadata {
        Metadata::Kfuncs => SkbChecksum::Final,
        Metadata::ProbeReads | Metadata::Helpers => SkbChecksum::Unknown,
    };
    assert_eq!(find(seen, CORRUPT).checksum, expected);
}

/// The pod's own packet that ends with these bytes.
fn find<'a>(seen: &'a [Seen], end: &[u8]) -> &'a Seen {
    seen.iter()
        .find(|seen| seen.direction == Direction::Out && seen.data.ends_with(end))
        .unwrap_or_else(|| panic!("{} bytes are in no record", end.len()))
}
