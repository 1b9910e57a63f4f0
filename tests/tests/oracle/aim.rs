//! Checksums that hardly ever come by chance.

use crate::{
    packet::{FIN, PSH, Packet, Transport},
    sum::fold,
};

/// Chooses one word of the payload so that the datagram's sum is `wanted`. One
/// that has no whole word of payload stays as it is.
pub(crate) fn aim(packet: &mut Packet, wanted: u16) {
    let Some(word) = packet.payload.first_chunk_mut::<2>() else {
        return;
    };
    *word = [0, 0];
    let (_, sum) = packet.sums();
    // What is missing, in ones' complement.
    let missing = fold(u64::from(wanted) + u64::from(!sum));
    packet.payload[..2].copy_from_slice(&missing.to_be_bytes());
}

/// Chooses a word of the payload so that the first segment's checksum is 0.
pub(crate) fn aim_first(packet: &mut Packet, gso_size: usize) {
    let mut first = packet.clone();
    first.payload.truncate(gso_size);
    if let Transport::Tcp { flags, .. } = &mut first.transport {
        *flags &= !(FIN | PSH);
    }
    aim(&mut first, 0xffff);
    packet.payload[..gso_size].copy_from_slice(&first.payload);
}
