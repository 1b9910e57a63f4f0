//! Types that every layer above speaks in (L1). No I/O.

pub mod bit_rate;
pub mod capability;
pub mod confinement;
mod directions;
pub mod finding;
mod frame;
pub mod kernel_release;
mod ledger;
mod no_reader;
mod one_line;
pub mod opt_in;
pub mod pod;
pub mod rate;
pub mod refusal;
pub mod scaled;
mod segment;
pub mod settings;
pub mod status;
pub mod survey;
mod target;

pub use directions::{Directions, DirectionsError};
pub use frame::{Frame, FrameBytes};
pub use ledger::Ledger;
pub use no_reader::{NoReader, NoReaderError};
pub use one_line::one_line;
pub use segment::{JUMBO_IP_BYTES, Segment, SegmentError};
pub use target::TargetId;
