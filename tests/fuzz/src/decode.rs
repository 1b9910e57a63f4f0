//! Bytes out of the ring, which a bug in the kernel programs may have written.

use tap_common::{ABI_VERSION, Direction, RecordHeader};

use crate::{
    engine::decode::DecodeError,
    record::{SHAPE_BYTES, from_input, read},
};

/// Offsets that every version of the layout begins with.
const SKB_LEN: usize = 12;
const CAPTURED_LEN: usize = 16;

/// Panics unless `input` is taken apart as its header says, or refused for a
/// reason that is there.
pub fn check(input: &[u8]) {
    raw(input);
    if let Some(record) = from_input(input) {
        raw(&record);
        let data = read(&record).expect("a record that is whole").data;
        assert_eq!(data, &input[SHAPE_BYTES..], "the packet");
        // A record is refused as soon as one byte of it is missing.
        let (_, shorter) = record.split_last().expect("a byte");
        assert!(read(shorter).is_err(), "cut short");
        // What follows it in its reservation is no part of it.
        let longer = [&record[..], &[0x55; 8]].concat();
        assert_eq!(read(&longer), read(&record), "with a rest");
    }
}

fn raw(bytes: &[u8]) {
    let field = |at: usize| {
        let field = bytes.get(at..at + 4).and_then(<[u8]>::first_chunk);
        field.copied().map(u32::from_ne_bytes)
    };
    let room = bytes.len().checked_sub(RecordHeader::SIZE_BYTES);
    match read(bytes) {
        Ok(record) => {
            let captured = field(CAPTURED_LEN).expect("a header") as usize;
            let at = RecordHeader::SIZE_BYTES;
            assert_eq!(record.data, &bytes[at..at + captured], "the packet");
            assert_eq!(Some(record.skb_len), field(SKB_LEN));
            assert!(Direction::ALL.contains(&record.direction));
        }
        Err(DecodeError::HeaderShort(len)) => {
            assert_eq!(len, bytes.len());
            assert_eq!(room, None, "a header is there");
        }
        Err(DecodeError::Version(version)) => assert_ne!(version, ABI_VERSION),
        Err(DecodeError::DataShort { promised, present }) => {
            assert_eq!(field(CAPTURED_LEN), Some(promised));
            assert_eq!(room, Some(present));
            assert!(promised as usize > present, "the packet is there");
        }
        Err(_) => assert!(room.is_some(), "no header to refuse"),
    }
}
