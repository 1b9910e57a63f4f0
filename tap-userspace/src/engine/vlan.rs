//! Puts back the VLAN tag that the kernel keeps beside a packet.
//!
//! The kernel takes the outermost tag out of a frame that it receives
//! (`skb_vlan_untag`) and holds it in `skb->vlan_tci`; on the wire it follows
//! the MAC addresses, in front of any tag that is still in the frame
//! (IEEE 802.1Q clause 9; net/core/skbuff.c `skb_vlan_push`).

use super::decode::VlanTag;
use super::headers::{MACS_BYTES, VLAN_TAG_BYTES};

/// Writes the beginning of a frame into `head`, which is emptied first, with
/// the tag in its place. `start` is the frame from its MAC addresses on; what
/// is shorter than these gets no tag.
///
/// Returns by how many bytes everything behind the addresses moved.
pub fn put_back(head: &mut Vec<u8>, start: &[u8], tag: Option<VlanTag>) -> usize {
    head.clear();
    match (tag, start.split_at_checked(MACS_BYTES)) {
        (Some(tag), Some((macs, rest))) => {
            head.extend_from_slice(macs);
            head.extend_from_slice(&tag.proto.to_be_bytes());
            head.extend_from_slice(&tag.tci.to_be_bytes());
            head.extend_from_slice(rest);
            VLAN_TAG_BYTES
        }
        _ => {
            head.extend_from_slice(start);
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{VlanTag, put_back};

    const TAG: VlanTag = VlanTag {
        proto: 0x88a8,
        tci: 0x6123,
    };

    #[test]
    fn a_tag_goes_between_addresses_and_ethertype() {
        let mut head = vec![1, 2, 3];
        let start = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x08, 0x00, 0x45];
        assert_eq!(put_back(&mut head, &start, Some(TAG)), 4);
        let expected = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x88, 0xa8, 0x61, 0x23, 0x08, 0x00, 0x45,
        ];
        assert_eq!(head, expected);
    }

    #[test]
    fn without_a_tag_or_addresses_nothing_moves() {
        let mut head = Vec::new();
        assert_eq!(put_back(&mut head, &[7; 14], None), 0);
        assert_eq!(head, [7; 14]);
        assert_eq!(put_back(&mut head, &[7; 11], Some(TAG)), 0);
        assert_eq!(head, [7; 11]);
    }
}
