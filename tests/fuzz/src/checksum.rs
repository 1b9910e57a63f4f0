//! Ones' complement sums, in parts and as a whole.

use crate::engine::checksum::Sum;

/// Panics unless the sum of the bytes is that of RFC 1071, wherever they lie
/// and however they are cut. The first four bytes say where.
pub fn check(input: &[u8]) {
    let Some((&[a, b, c, d], bytes)) = input.split_first_chunk() else {
        return;
    };
    let expected = folded(&[bytes]);
    assert_eq!(Sum::of(bytes).fold(), expected, "as a whole");
    assert_eq!(Sum::of(bytes).checksum(), !expected, "inverted");

    let at = |a: u8, b: u8| usize::from(u16::from_le_bytes([a, b])) % (bytes.len() + 1);
    let (mut first, mut second) = (at(a, b), at(c, d));
    if second < first {
        (first, second) = (second, first);
    }
    let parts = [(0, first), (first, second), (second, bytes.len())];
    let sum = parts
        .map(|(from, to)| {
            let sum = Sum::of(&bytes[from..to]);
            if from % 2 == 0 {
                sum
            } else {
                sum.at_odd_offset()
            }
        })
        .into_iter()
        .fold(Sum::default(), |sum, part| sum + part);
    assert_eq!(
        sum.fold(),
        expected,
        "in parts, cut at {first} and {second}"
    );

    let words = bytes
        .chunks(4)
        .fold(Sum::default(), |sum, chunk| match *chunk {
            [a, b, c, d] => sum + Sum::of_u32(u32::from_be_bytes([a, b, c, d])),
            [a, b, ref rest @ ..] => {
                let rest = rest.first().copied().unwrap_or(0);
                sum + Sum::of_u16(u16::from_be_bytes([a, b])) + Sum::of_u16(u16::from(rest) << 8)
            }
            [a] => sum + Sum::of_u16(u16::from(a) << 8),
            [] => sum,
        });
    assert_eq!(words.fold(), expected, "field by field");

    if expected != 0 {
        let whole = Sum::of(bytes) + Sum::of_u16(Sum::of(bytes).checksum());
        assert_eq!(whole.fold(), 0xffff, "with its own checksum");
    }
}

/// The sum of parts that each begin at an even offset, not inverted: RFC 1071
/// section 4.1, word by word.
#[must_use]
pub fn folded(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u64 = words
        .map(|word| {
            u64::from(u16::from_be_bytes([
                word[0],
                word.get(1).copied().unwrap_or(0),
            ]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
