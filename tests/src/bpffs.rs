//! A bpf file system of a test's own.

use std::{
    fs,
    os::fd::{AsRawFd as _, OwnedFd},
    path::PathBuf,
};

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// A bpf file system that is mounted nowhere: it goes with this process, and
/// what is pinned on it.
#[derive(Debug)]
pub struct TestBpffs(OwnedFd);

impl TestBpffs {
    /// Makes one.
    #[must_use]
    pub fn new() -> Self {
        let context = fsopen("bpf", FsOpenFlags::FSOPEN_CLOEXEC).expect("a bpf file system");
        fsconfig_create(&context).expect("a bpf file system");
        let flags = (FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty());
        Self(fsmount(&context, flags.0, flags.1).expect("a mount"))
    }

    /// A path that opens it, for other processes too, as long as this lives.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }

    /// Where an agent that names itself so has its pins. (On a bpf file system
    /// no name has a dot.)
    #[must_use]
    pub fn of(&self, owner: &str) -> PathBuf {
        let abi = format!("abi{}", tap_common::ABI_VERSION);
        let owner = owner.replace('.', "_");
        self.path().join("podtap").join(owner).join(abi)
    }

    /// Names of the folders in which that agent's targets are pinned: each
    /// begins with the UID of its pod.
    #[must_use]
    pub fn targets(&self, owner: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.of(owner)) else {
            return Vec::new();
        };
        let folders = entries
            .map(|entry| entry.expect("an entry"))
            .filter(|entry| entry.path().is_dir());
        folders
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }
}

impl Default for TestBpffs {
    fn default() -> Self {
        Self::new()
    }
}
