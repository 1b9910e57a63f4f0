//! The Interface Description Block (section 4.2).

use bytes::{BufMut, BytesMut};

use super::block;

const BLOCK_TYPE: u32 = 1;
const LINKTYPE_ETHERNET: u16 = 1;

const OPTION_NAME: u16 = 2;
const OPTION_DESCRIPTION: u16 = 3;
const OPTION_TIMESTAMP_RESOLUTION: u16 = 9;
const OPTION_OS: u16 = 12;
/// 10^-9 s.
const RESOLUTION_NANOSECONDS: u8 = 9;

/// An Ethernet interface that packets were seen on: a target. Empty text is
/// left out; text over 65,535 bytes is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interface<'a> {
    /// Its name, such as `shop/web/eth0`.
    pub name: &'a str,
    /// Its description.
    pub description: &'a str,
    /// The operating system that it belongs to.
    pub os: &'a str,
    /// Bytes that are kept of each packet; 0 for all of them.
    pub snaplen_bytes: u32,
}

impl Interface<'_> {
    /// Appends the block.
    pub fn encode(&self, buffer: &mut BytesMut) {
        let room = self.name.len() + self.description.len() + self.os.len();
        block::append(buffer, BLOCK_TYPE, room, |body| {
            body.put_u16_le(LINKTYPE_ETHERNET);
            body.put_u16_le(0);
            body.put_u32_le(self.snaplen_bytes);
            block::text_option(body, OPTION_NAME, self.name);
            block::text_option(body, OPTION_DESCRIPTION, self.description);
            block::option(body, OPTION_TIMESTAMP_RESOLUTION, &[RESOLUTION_NANOSECONDS]);
            block::text_option(body, OPTION_OS, self.os);
            block::end_of_options(body);
        });
    }
}
