//! Big-endian fields of a header, by their offset.

/// `len` bytes from `at` on, if they are all there.
#[must_use]
#[inline]
pub fn bytes(header: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    header.get(at..at.checked_add(len)?)
}

/// The 16-bit field at `at`, if it is all there.
#[must_use]
#[inline]
pub fn read_u16(header: &[u8], at: usize) -> Option<u16> {
    header
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)
}

/// The 32-bit field at `at`, if it is all there.
#[must_use]
#[inline]
pub fn read_u32(header: &[u8], at: usize) -> Option<u32> {
    header
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_be_bytes)
}

/// Writes the 16-bit field at `at`; a field that is not there is left alone.
#[inline]
pub fn write_u16(header: &mut [u8], at: usize, value: u16) {
    if let Some(field) = header.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = value.to_be_bytes();
    }
}

/// Writes the 32-bit field at `at`; a field that is not there is left alone.
#[inline]
pub fn write_u32(header: &mut [u8], at: usize, value: u32) {
    if let Some(field) = header.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = value.to_be_bytes();
    }
}
