//! What all blocks and options have in common (sections 3.1 and 3.5).

use bytes::{BufMut, BytesMut};

/// Blocks and options are padded to a multiple of this.
const ALIGNMENT_BYTES: usize = 4;
/// Length of a block's type and of its two total lengths.
const FRAME_BYTES: usize = 3 * size_of::<u32>();
/// The option that ends a list of options.
const END_OF_OPTIONS: u16 = 0;

/// Appends one block: `body` writes what is between the total lengths.
///
/// A body that no block can hold, of 4 GiB, says the largest length there is:
/// callers keep far below.
pub(super) fn append(
    buffer: &mut BytesMut,
    block_type: u32,
    room_bytes: usize,
    body: impl FnOnce(&mut BytesMut),
) {
    let start = buffer.len();
    buffer.reserve(FRAME_BYTES + room_bytes);
    buffer.put_u32_le(block_type);
    buffer.put_u32_le(0);
    body(buffer);
    let total = buffer.len() - start + size_of::<u32>();
    let total = u32::try_from(total).unwrap_or(u32::MAX);
    let length_at = start + size_of::<u32>();
    if let Some(field) = buffer
        .get_mut(length_at..)
        .and_then(<[u8]>::first_chunk_mut)
    {
        *field = total.to_le_bytes();
    }
    buffer.put_u32_le(total);
}

/// Appends zeros up to the next multiple of four after `len` bytes.
pub(super) fn pad(buffer: &mut BytesMut, len: usize) {
    buffer.put_bytes(0, len.next_multiple_of(ALIGNMENT_BYTES) - len);
}

/// Appends an option of any bytes; of a value that its 16-bit length cannot
/// describe, the beginning.
pub(super) fn option(buffer: &mut BytesMut, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let value = value.get(..usize::from(length)).unwrap_or_default();
    buffer.put_u16_le(code);
    buffer.put_u16_le(length);
    buffer.put_slice(value);
    pad(buffer, value.len());
}

/// Appends an option of UTF-8 text, cut in front of the character that no
/// longer fits; no option at all for text that is empty.
pub(super) fn text_option(buffer: &mut BytesMut, code: u16, text: &str) {
    let text = text.get(..text.floor_char_boundary(usize::from(u16::MAX)));
    match text {
        Some("") | None => {}
        Some(text) => option(buffer, code, text.as_bytes()),
    }
}

/// Ends a list of options.
pub(super) fn end_of_options(buffer: &mut BytesMut) {
    option(buffer, END_OF_OPTIONS, &[]);
}

/// Appends a time as high and low half (section 4.3).
pub(super) fn timestamp(buffer: &mut BytesMut, timestamp_ns: u64) {
    buffer.put_slice(&timestamp_halves(timestamp_ns));
}

/// A time as high and low half, each little-endian (sections 4.3 and 4.6).
pub(super) fn timestamp_halves(timestamp_ns: u64) -> [u8; 8] {
    timestamp_ns.rotate_left(u32::BITS).to_le_bytes()
}
