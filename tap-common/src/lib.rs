//! What podtap's kernel programs and its user side say to each other (L0).
//!
//! Every type here is plain old data: `repr(C)`, integers in the machine's own
//! byte order, explicit padding, size and offsets asserted at compile time.
//! Nothing here reads, writes, allocates or panics.
//!
//! The layouts are one ABI with one version, [`ABI_VERSION`]: the object
//! carries it in the name of its settings ([`CONFIG_SYMBOL`]), and each record
//! in its header.
#![no_std]
#![forbid(unsafe_code)]

mod config;
mod direction;
mod ledger;
mod metadata;
mod record;

pub use config::{
    CONFIG_SYMBOL, HEARTBEAT_INTERVAL_NS, HEARTBEAT_TIMEOUT_NS, LinkLayer, MAP_HEARTBEAT,
    MAP_LEDGER, MAP_RING, MAP_STATE, PROGRAM_DROP, PROGRAM_IN, PROGRAM_OUT, TargetConfig,
    TargetState,
};
pub use direction::Direction;
pub use ledger::{Count, LedgerRow, Verdict};
pub use metadata::{
    CALL_CAST_TO_KERN_CTX, CALL_RDONLY_CAST, Metadata, SKB_LAYOUT_SYMBOL, SKB_WINDOW_BYTES,
    SkbLayout,
};
pub use record::{
    CHECKSUM_COMPLETE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, Known, RECORD_CLASSES_BYTES,
    RecordHeader,
};

/// Version of the layouts in this crate. Raised with every change to one.
pub const ABI_VERSION: u32 = 2;
