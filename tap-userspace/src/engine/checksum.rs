//! The Internet checksum (RFC 1071): ones' complement sums of 16-bit words.

use std::ops::Add;

pub mod partial;
pub mod pseudo_header;

/// Bytes that one turn of the summing loop takes.
const STRIDE_BYTES: usize = 32;
/// Sums that grow side by side, one for each 32-bit word of a stride, so that
/// the compiler adds them in vector registers. One may take 2^32 words before
/// it overflows: strides of 128 GiB.
const LANES: usize = STRIDE_BYTES / size_of::<u32>();

/// A ones' complement sum that may be added to others, folded when it is
/// wanted. Its value is that of the big-endian words on the wire, whatever the
/// machine's own order (RFC 1071 section 2(B)).
///
/// A sum of nothing but zeros folds to 0, every other one to 1..=0xffff. So
/// does the kernel's `csum_fold`, before it inverts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Sums bytes as if they began at an even offset; an odd last byte is
    /// followed by a zero (RFC 1071 section 4.1).
    #[must_use]
    #[inline]
    pub fn of(bytes: &[u8]) -> Self {
        let mut lanes = [0_u64; LANES];
        let (strides, rest) = bytes.as_chunks::<STRIDE_BYTES>();
        for stride in strides {
            let (words, _) = stride.as_chunks::<{ size_of::<u32>() }>();
            for (lane, word) in lanes.iter_mut().zip(words) {
                *lane += u64::from(u32::from_ne_bytes(*word));
            }
        }
        let mut total: u64 = lanes.iter().sum();
        let (pairs, last) = rest.as_chunks::<{ size_of::<u16>() }>();
        for pair in pairs {
            total += u64::from(u16::from_ne_bytes(*pair));
        }
        if let [byte] = last {
            total += u64::from(u16::from_ne_bytes([*byte, 0]));
        }
        Self(u64::from(u16::from_be(fold(total))))
    }

    /// A 16-bit field, in host byte order.
    #[must_use]
    #[inline]
    pub fn of_u16(field: u16) -> Self {
        Self(u64::from(field))
    }

    /// A 32-bit field, in host byte order.
    #[must_use]
    #[inline]
    pub fn of_u32(field: u32) -> Self {
        Self(u64::from(field))
    }

    /// What this sum is when its bytes begin at an odd offset of the whole:
    /// each byte in the other half of its word (RFC 1071 section 2(B)).
    #[must_use]
    #[inline]
    pub fn at_odd_offset(self) -> Self {
        Self(u64::from(self.fold().swap_bytes()))
    }

    /// The sum in 16 bits, not inverted.
    #[must_use]
    #[inline]
    pub fn fold(self) -> u16 {
        fold(self.0)
    }

    /// What a checksum field holds: the folded sum, inverted.
    #[must_use]
    #[inline]
    pub fn checksum(self) -> u16 {
        !self.fold()
    }
}

impl Add for Sum {
    type Output = Self;

    /// Ones' complement addition: the carry comes back in (RFC 1071 section 1).
    #[inline]
    fn add(self, other: Self) -> Self {
        let (sum, carry) = self.0.overflowing_add(other.0);
        // After a carry `sum` is at most 2^64 - 2.
        Self(sum + u64::from(carry))
    }
}

/// Adds the carries above 16 bits back in until there are none. Zero stays
/// zero, and nothing else becomes zero.
#[inline]
fn fold(sum: u64) -> u16 {
    // 64 bits to at most 33, to 32, to 17, to 16: a carry out of the last
    // addition would need a sum that the ones before cannot leave.
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (sum & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::{STRIDE_BYTES, Sum};

    /// RFC 1071 section 3: the words 0001 f203 f4f5 f6f7 add up to 2ddf0.
    const RFC_1071_EXAMPLE: [u8; 8] = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];

    /// The sum as RFC 1071 section 4.1 writes it down, word by word.
    fn plain(bytes: &[u8]) -> u16 {
        let mut sum = 0_u64;
        for word in bytes.chunks(2) {
            let high = word.first().copied().unwrap_or(0);
            let low = word.get(1).copied().unwrap_or(0);
            sum += u64::from(u16::from_be_bytes([high, low]));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap_or(0)
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len)
            .map(|at| u8::try_from((at * 167 + 91) % 256).unwrap_or(0))
            .collect()
    }

    #[test]
    fn the_example_of_rfc_1071_sums_to_ddf2() {
        assert_eq!(Sum::of(&RFC_1071_EXAMPLE).fold(), 0xddf2);
        assert_eq!(Sum::of(&RFC_1071_EXAMPLE).checksum(), 0x220d);
    }

    #[test]
    fn every_length_sums_as_word_by_word() {
        for len in 0..4 * STRIDE_BYTES {
            let bytes = pattern(len);
            assert_eq!(Sum::of(&bytes).fold(), plain(&bytes), "{len} bytes");
        }
    }

    #[test]
    fn parts_add_up_to_the_whole_at_even_and_odd_offsets() {
        let bytes = pattern(3 * STRIDE_BYTES + 5);
        for at in 0..bytes.len() {
            let (front, back) = bytes.split_at(at);
            let back = if at % 2 == 0 {
                Sum::of(back)
            } else {
                Sum::of(back).at_odd_offset()
            };
            assert_eq!((Sum::of(front) + back).fold(), plain(&bytes), "cut at {at}");
        }
    }

    #[test]
    fn only_zeros_fold_to_zero() {
        assert_eq!(Sum::of(&[0; 100]).fold(), 0);
        assert_eq!(Sum::of(&[0xff; 65_536]).fold(), 0xffff);
        assert_eq!((Sum::of_u16(1) + Sum::of_u16(0xfffe)).fold(), 0xffff);
        assert_eq!(Sum::of_u32(u32::MAX).fold(), 0xffff);
    }

    #[test]
    fn a_sum_with_its_own_checksum_is_all_ones() {
        let bytes = pattern(1460);
        let sum = Sum::of(&bytes);
        assert_eq!((sum + Sum::of_u16(sum.checksum())).fold(), 0xffff);
    }

    #[test]
    fn the_carry_of_an_addition_comes_back_in() {
        assert_eq!((Sum(u64::MAX) + Sum(1)).fold(), 1);
        assert_eq!((Sum(u64::MAX) + Sum(u64::MAX)).fold(), 0xffff);
    }
}
