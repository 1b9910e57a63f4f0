//! Types that every layer above speaks in (L1). No I/O.

mod frame;
mod ledger;
mod target;

pub use frame::{Frame, FrameBytes};
pub use ledger::Ledger;
pub use target::TargetId;
