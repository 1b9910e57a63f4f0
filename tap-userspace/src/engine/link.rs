//! What a frame begins with on the wire, where the packet in the skb lacks it:
//! the VLAN tag that the kernel keeps beside it, or, on a device without a
//! link layer, an Ethernet header.

use tap_common::{Direction, LinkLayer};

use super::decode::{Record, VlanTag};
use super::headers::{
    ETHERNET_BYTES, Extent, Headers, Malformed, VLAN_TAG_BYTES, parse, parse_network,
};
use super::vlan;
use crate::model::TargetId;

/// The most bytes that a frame is longer than its packet in the skb.
pub const LINK_BYTES_MAX: usize = ETHERNET_BYTES + VLAN_TAG_BYTES;

/// First bytes of the made-up addresses of a pod and of whatever it speaks
/// with. Locally administered, of single stations (IEEE 802 section 8.2).
const POD_MAC: [u8; 2] = [0x02, 0x70];
const OTHER_MAC: [u8; 2] = [0x06, 0x70];

/// How a record's frames begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Put in front of a packet that begins with its IP header.
    made_up: Option<[u8; ETHERNET_BYTES]>,
    /// Put behind the addresses.
    tag: Option<VlanTag>,
}

impl Link {
    /// How this record's frames begin.
    #[must_use]
    #[inline]
    pub fn of(record: &Record<'_>) -> Self {
        Self {
            made_up: match record.link_layer {
                LinkLayer::Ethernet => None,
                LinkLayer::Ip => Some(made_up(record.target_id, record.direction, record.protocol)),
            },
            tag: record.vlan,
        }
    }

    /// Whether the packet lacks nothing.
    #[must_use]
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.made_up.is_none() && self.tag.is_none()
    }

    /// Whether a tag is put back.
    #[must_use]
    pub fn has_tag(&self) -> bool {
        self.tag.is_some()
    }

    /// Writes the beginning of a frame into `head`, which is emptied first:
    /// `start`, the beginning of the packet, with what it lacks.
    ///
    /// Returns by how many bytes everything from the EtherType on moved, or,
    /// where an Ethernet header was made up, everything.
    #[inline]
    pub fn begin(&self, head: &mut Vec<u8>, start: &[u8]) -> usize {
        match &self.made_up {
            None => vlan::put_back(head, start, self.tag),
            Some(header) => {
                let moved = vlan::put_back(head, header, self.tag);
                head.extend_from_slice(start);
                header.len() + moved
            }
        }
    }
}

/// Reads the headers of a record's packet.
///
/// # Errors
/// [`Malformed`].
#[inline]
pub fn parse_record(record: &Record<'_>, extent: Extent) -> Result<Headers, Malformed> {
    match record.link_layer {
        LinkLayer::Ethernet => parse(record.data, extent),
        LinkLayer::Ip => parse_network(record.data, record.protocol, 0, extent),
    }
}

/// An Ethernet header for a device that has none. The pod's address is
/// 02:70 and the target's number, that of the other side 06:70 and the same
/// number: who looks sees which way a packet went, and for which target.
fn made_up(target: TargetId, direction: Direction, ethertype: u16) -> [u8; ETHERNET_BYTES] {
    let number = target.0.to_be_bytes();
    let (destination, source) = match direction {
        Direction::In => (POD_MAC, OTHER_MAC),
        Direction::Out => (OTHER_MAC, POD_MAC),
    };
    let mut header = [0; ETHERNET_BYTES];
    let parts = [
        &destination[..],
        &number,
        &source,
        &number,
        &ethertype.to_be_bytes(),
    ];
    for (to, from) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    header
}
