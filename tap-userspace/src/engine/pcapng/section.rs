//! The Section Header Block (section 4.1).

use bytes::{BufMut, BytesMut};

use super::block;

const BLOCK_TYPE: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const VERSION_MAJOR: u16 = 1;
const VERSION_MINOR: u16 = 0;
/// The section ends where the next one or the file does.
const LENGTH_UNSPECIFIED: u64 = u64::MAX;

const OPTION_HARDWARE: u16 = 2;
const OPTION_OS: u16 = 3;
const OPTION_USER_APPLICATION: u16 = 4;

/// What a section begins with. Empty text is left out; text over 65,535 bytes
/// is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectionHeader<'a> {
    /// The machine that captured, such as `x86_64`.
    pub hardware: &'a str,
    /// Its operating system, such as `Linux 6.18`.
    pub os: &'a str,
    /// The program that captured, such as `podtap 0.1.0`.
    pub application: &'a str,
}

impl SectionHeader<'_> {
    /// Appends the block.
    pub fn encode(&self, buffer: &mut BytesMut) {
        let room = self.hardware.len() + self.os.len() + self.application.len();
        block::append(buffer, BLOCK_TYPE, room, |body| {
            body.put_u32_le(BYTE_ORDER_MAGIC);
            body.put_u16_le(VERSION_MAJOR);
            body.put_u16_le(VERSION_MINOR);
            body.put_u64_le(LENGTH_UNSPECIFIED);
            block::text_option(body, OPTION_HARDWARE, self.hardware);
            block::text_option(body, OPTION_OS, self.os);
            block::text_option(body, OPTION_USER_APPLICATION, self.application);
            block::end_of_options(body);
        });
    }
}
