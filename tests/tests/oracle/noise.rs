//! Frames of which nothing is known.

use tests::Random;

use crate::parts;

/// Bytes behind an EtherType that say nothing sensible.
pub(crate) fn noise(random: &mut Random) -> Vec<u8> {
    let mut frame = parts::macs(random).to_vec();
    // EtherTypes of IP, ARP, MPLS, an 802.3 length, and unknown ones.
    let ether_type: u16 = random.pick(&[0x0800, 0x86dd, 0x0806, 0x8847, 0x0030, 0x9100, 0xfffe]);
    frame.extend(ether_type.to_be_bytes());
    let len = random.between(0, 200);
    let mut rest = random.bytes(len);
    if let Some(first) = rest.first_mut()
        && random.once_in(2)
    {
        *first = random.pick(&[0x45, 0x4f, 0x60, 0x40, 0x55]);
    }
    frame.extend(rest);
    frame
}
