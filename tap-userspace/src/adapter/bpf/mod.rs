//! The kernel side, from user space: load, attach, read.
//!
//! [`Shared`] is made once: the ring, the heartbeat and the programs' log that
//! all targets use. [`Programs`] is one target's own instance.

mod attachment;
mod bpffs;
mod filter_priority;
mod heartbeat;
mod hook;
mod kernel_types;
mod kfunc;
mod log;
mod metadata;
mod object;
mod pins;
mod pod;
pub mod probe;
mod programs;
mod ring;
mod shared;
mod tap_drop;

pub use attachment::Attachment;
pub use heartbeat::Heartbeat;
pub use hook::{Hook, HookError};
pub use log::KernelLog;
pub use metadata::{MetadataWay, metadata_name};
pub use pins::{DEFAULT_BPFFS, PinKey, Pins, PinsError, TargetPins};
pub use programs::{Programs, ProgramsError};
pub use ring::{Ring, RingError};
pub use shared::{Kernel, Shared, SharedError, SharedOptions};
pub use tap_drop::TapDrop;
