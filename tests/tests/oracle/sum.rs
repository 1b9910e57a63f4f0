//! The Internet checksum as RFC 1071 section 4.1 writes it down.

/// The sum, word by word, as if the bytes began at an even offset.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|word| u64::from(word[0]) << 8 | word.get(1).map_or(0, |low| u64::from(*low)))
        .sum()
}

/// The sum in 16 bits, not inverted.
pub(crate) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
