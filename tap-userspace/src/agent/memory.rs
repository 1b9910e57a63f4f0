//! Whether the agent has the memory that it needs.

use std::num::NonZeroU32;

use crate::{
    adapter::{memory_limit::memory_limit_bytes, process::own},
    model::kernel_release::KernelRelease,
};

const MIB: u64 = 1 << 20;

/// What the agent needs beside the ring at least, in bytes: with a few targets
/// 44 MiB are resident, with 250 of them 70, and 10 more in the kernel
/// (docs/performance.md); a part of that is the binary's own file, which the
/// kernel can drop.
pub const BASE_BYTES: u64 = 64 * MIB;

/// The limit is too small: the kernel would end the agent while it works, or
/// refuse the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory limit of the agent's cgroup is {}: {}", self.found(), self.advice())]
pub struct MemoryError {
    /// What the agent's cgroup may have.
    pub limit_bytes: u64,
    /// What the ring takes of it.
    pub ring_bytes: u64,
}

impl MemoryError {
    /// What is too small for what.
    #[must_use]
    pub fn found(&self) -> String {
        format!(
            "{}, too small for a ring of {} and {} for the rest",
            in_mib(self.limit_bytes),
            in_mib(self.ring_bytes),
            in_mib(BASE_BYTES)
        )
    }

    /// What to do.
    #[must_use]
    pub fn advice(&self) -> String {
        let needed_mib = (self.ring_bytes + BASE_BYTES).div_ceil(MIB);
        format!("set it to {needed_mib} MiB at least, or make the ring smaller (--ring-bytes)")
    }
}

/// Looks at the limit of this process's cgroup, and gives it back if there is
/// one.
///
/// # Errors
/// When it is too small for a ring of this size.
pub fn examine(ring_bytes: NonZeroU32) -> Result<Option<u64>, MemoryError> {
    let release = own::kernel_release().1;
    let counts = release.is_none_or(|release| release >= KernelRelease::MAPS_IN_CGROUP);
    let ring_bytes = if counts { ring_bytes.get().into() } else { 0 };
    match memory_limit_bytes() {
        Some(limit_bytes) if limit_bytes < ring_bytes + BASE_BYTES => Err(MemoryError {
            limit_bytes,
            ring_bytes,
        }),
        limit => Ok(limit),
    }
}

/// For people: rounded down, as is what they set.
pub(in crate::agent) fn in_mib(bytes: u64) -> String {
    match bytes / MIB {
        0 => format!("{bytes} bytes"),
        mib => format!("{mib} MiB"),
    }
}
