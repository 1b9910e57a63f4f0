//! A bpf file system of our own, seen by nobody else.
//!
//! aya shares a map between two loaded objects only through a pin. The pins
//! live on a bpf file system that is mounted nowhere: it exists as long as its
//! descriptor, and is reached through `/proc/self/fd`. So nothing has to be
//! mounted, nothing can be met there by others, and nothing stays behind,
//! however this process ends.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
};

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// A detached bpf file system.
#[derive(Debug)]
pub(super) struct Bpffs {
    root: OwnedFd,
}

impl Bpffs {
    /// Makes one. Needs `CAP_SYS_ADMIN`, and a kernel of 5.2 or later.
    ///
    /// # Errors
    /// What the kernel said to `fsopen`, `fsconfig` or `fsmount`.
    pub(super) fn new() -> io::Result<Self> {
        let context = fsopen("bpf", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(&context)?;
        let root = fsmount(
            &context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::empty(),
        )?;
        Ok(Self { root })
    }

    /// Path of a pin in it, good within this process only.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.root.as_raw_fd()))
    }
}
