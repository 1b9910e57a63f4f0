//! One `up` or `down` at a time.

use std::fs::{self, File};

use anyhow::{Result, bail};

use super::layout::Layout;

/// Holds the cluster's lock until it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock(
    #[allow(dead_code, reason = "the lock lives as long as its file is open")] File,
);

/// Takes the lock, or fails at once if another process has it.
pub(super) fn lock(layout: &Layout) -> Result<Lock> {
    fs::create_dir_all(layout.root())?;
    let file = File::create(layout.root().join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(fs::TryLockError::WouldBlock) => {
            bail!("another `cargo xtask` is working on the cluster: try again when it is done")
        }
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}
