//! Writes pcapng (draft-ietf-opsawg-pcapng) into a buffer, block by block.
//!
//! A section is a [`SectionHeader`], one [`Interface`] for each target, the
//! packets, and an [`InterfaceStatistics`] for each interface at the end.
//! Interfaces are numbered from 0 in the order in which they were written
//! (section 4.2), so one may also be added later.
//!
//! Everything is little-endian, which the section header says (section 4.1).
//! Times are in nanoseconds since the Unix epoch.

mod block;
mod interface;
mod packet;
mod section;
mod statistics;

pub use interface::Interface;
pub use packet::EnhancedPacket;
pub use section::SectionHeader;
pub use statistics::InterfaceStatistics;
