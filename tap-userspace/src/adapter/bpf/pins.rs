//! Pins on the node's bpf file system, by which taps outlive the agent: a
//! pinned link stays attached, and pinned maps keep their values, until the
//! next agent takes them over.
//!
//! ```text
//! /sys/fs/bpf/podtap/OWNER/abi2/RING, HEARTBEAT, …      shared by all targets
//! /sys/fs/bpf/podtap/OWNER/abi2/UID_INODE_IFINDEX_ID/   one target: its links
//!                                in, out, and its maps  by direction
//! ```
//!
//! A name on a bpf file system has no dots (`bpf_lookup` in
//! kernel/bpf/inode.c); the names of nodes and namespaces have no underscores,
//! which stand for them.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::statfs;
use tap_common::{ABI_VERSION, Direction};

use crate::model::{TargetId, pod::PodUid};

/// Where nodes have theirs.
pub const DEFAULT_BPFFS: &str = "/sys/fs/bpf";

/// `BPF_FS_MAGIC` of include/uapi/linux/magic.h.
const BPF_FS_MAGIC: u32 = 0xcafe_4a11;
/// All of podtap's pins are below it.
const PODTAP: &str = "podtap";

/// The pins of one installation on one node. No other agent may use them
/// meanwhile: two would read one ring.
#[derive(Debug)]
pub struct Pins {
    folder: PathBuf,
    /// The folder, locked.
    _lock: File,
}

/// Which interface a target's pins belong to, over agents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinKey {
    /// UID of its pod.
    pub uid: PodUid,
    /// Inode of its network namespace.
    pub netns_inode: u64,
    /// Index of the interface in it.
    pub ifindex: u32,
}

/// The pins of one target. Dropped, they are removed, and with them, as soon
/// as nobody holds the links open either, the tap ends; unless they are
/// [kept](TargetPins::keep).
#[derive(Debug)]
pub struct TargetPins {
    /// The target's identity in records.
    pub id: TargetId,
    folder: PathBuf,
    is_kept: bool,
    /// The lock is held as long as there are pins.
    _pins: Arc<Pins>,
}

/// Why there are no pins.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// There is no bpf file system at this path.
    #[error("{} is no bpf file system: mount the node's into the container", .0.display())]
    NoBpffs(PathBuf),
    /// An agent uses them.
    #[error("an agent of this node uses the pins in {}: end it first", .0.display())]
    InUse(PathBuf),
    /// A folder could not be made, opened or read.
    #[error("cannot use the pins in {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Pins {
    /// The pins of `owner` on the bpf file system at `bpffs`: a node's name, and
    /// what tells one podtap there from another. Makes the folder, and takes
    /// away those of other ABI versions, whose records nobody could read.
    /// `None` as long as another process has them.
    ///
    /// # Errors
    /// When there is no bpf file system, or the folder cannot be made.
    pub fn open(bpffs: &Path, owner: &str) -> Result<Option<Arc<Self>>, PinsError> {
        check_is_bpffs(bpffs)?;
        let of_owner = bpffs.join(PODTAP).join(owner.replace('.', "_"));
        let folder = of_owner.join(format!("abi{ABI_VERSION}"));
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| PinsError::Folder { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .create(&folder)
            .map_err(failed(&folder))?;
        let Some(lock) = lock(&of_owner)? else {
            return Ok(None);
        };
        for other in fs::read_dir(&of_owner).map_err(failed(&of_owner))? {
            let other = other.map_err(failed(&of_owner))?.path();
            if other != folder {
                tracing::info!(path = %other.display(), "removing the pins of another version");
                fs::remove_dir_all(&other).map_err(failed(&other))?;
            }
        }
        Ok(Some(Arc::new(Self {
            folder,
            _lock: lock,
        })))
    }

    /// The targets whose pins are there. Folders that are none of a target's
    /// are removed.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn targets(self: &Arc<Self>) -> Result<Vec<(PinKey, TargetPins)>, PinsError> {
        let failed = |source| PinsError::Folder {
            path: self.folder.clone(),
            source,
        };
        let mut targets = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !entry.file_type().map_err(failed)?.is_dir() {
                continue;
            }
            let folder = entry.path();
            match entry.file_name().to_str().and_then(PinKey::parse) {
                Some((key, id)) => targets.push((key, self.of(id, folder))),
                None => fs::remove_dir_all(&folder).map_err(failed)?,
            }
        }
        Ok(targets)
    }

    /// Makes the folder for a new target's pins.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn add(self: &Arc<Self>, key: &PinKey, id: TargetId) -> Result<TargetPins, PinsError> {
        let folder = self.folder.join(key.name(id));
        fs::create_dir(&folder).map_err(|source| PinsError::Folder {
            path: folder.clone(),
            source,
        })?;
        Ok(self.of(id, folder))
    }

    /// Path of the pin of a map that all targets share.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Removes the pins of the shared maps if no target uses them, so that they
    /// are made anew, as large as is wanted now.
    pub(super) fn forget_unused(&self) -> Result<(), PinsError> {
        let failed = |source| PinsError::Folder {
            path: self.folder.clone(),
            source,
        };
        let entries: Vec<_> = fs::read_dir(&self.folder)
            .and_then(Iterator::collect)
            .map_err(failed)?;
        if entries.iter().any(|entry| entry.path().is_dir()) {
            return Ok(());
        }
        for entry in entries {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
        Ok(())
    }

    /// Tries whether something could be pinned on the bpf file system at
    /// `bpffs`; nothing stays there.
    ///
    /// # Errors
    /// When there is none, or no folder can be made on it.
    pub fn probe(bpffs: &Path) -> Result<(), PinsError> {
        check_is_bpffs(bpffs)?;
        let folder = bpffs.join(format!("{PODTAP}-probe-{}", std::process::id()));
        fs::create_dir(&folder)
            .and_then(|()| fs::remove_dir(&folder))
            .map_err(|source| PinsError::Folder {
                path: folder.clone(),
                source,
            })
    }

    /// Removes all that podtap has ever pinned on the bpf file system at
    /// `bpffs`, and with it taps that nobody reads any more. Returns how many
    /// there were.
    ///
    /// # Errors
    /// When there is no bpf file system, an agent uses its pins, or they
    /// cannot be removed.
    pub fn remove_all(bpffs: &Path) -> Result<usize, PinsError> {
        check_is_bpffs(bpffs)?;
        let podtap = bpffs.join(PODTAP);
        let failed = |source| PinsError::Folder {
            path: podtap.clone(),
            source,
        };
        if !podtap.exists() {
            return Ok(0);
        }
        let mut locks = Vec::new();
        let mut taps = 0;
        for owner in subfolders(&podtap).map_err(failed)? {
            locks.push(lock(&owner)?.ok_or_else(|| PinsError::InUse(owner.clone()))?);
            for abi in subfolders(&owner).map_err(failed)? {
                taps += subfolders(&abi).map_err(failed)?.len();
            }
        }
        fs::remove_dir_all(&podtap).map_err(failed)?;
        Ok(taps)
    }

    fn of(self: &Arc<Self>, id: TargetId, folder: PathBuf) -> TargetPins {
        TargetPins {
            id,
            folder,
            is_kept: false,
            _pins: Arc::clone(self),
        }
    }
}

fn check_is_bpffs(path: &Path) -> Result<(), PinsError> {
    let is_bpffs = statfs(path).is_ok_and(|stat| u32::try_from(stat.f_type) == Ok(BPF_FS_MAGIC));
    is_bpffs
        .then_some(())
        .ok_or_else(|| PinsError::NoBpffs(path.into()))
}

/// Locks an owner's folder, for as long as the file is open; `None` if somebody
/// else has.
fn lock(folder: &Path) -> Result<Option<File>, PinsError> {
    let failed = |source| PinsError::Folder {
        path: folder.into(),
        source,
    };
    let file = File::open(folder).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn subfolders(path: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    Ok(paths
        .collect::<io::Result<Vec<_>>>()?
        .into_iter()
        .filter(|path| path.is_dir())
        .collect())
}

impl PinKey {
    fn name(&self, id: TargetId) -> String {
        format!(
            "{}_{}_{}_{}",
            self.uid, self.netns_inode, self.ifindex, id.0
        )
    }

    fn parse(name: &str) -> Option<(Self, TargetId)> {
        let mut parts = name.split('_');
        let key = Self {
            uid: PodUid::parse(parts.next()?).ok()?,
            netns_inode: parts.next()?.parse().ok()?,
            ifindex: parts.next()?.parse().ok()?,
        };
        let id = TargetId(parts.next()?.parse().ok()?);
        (parts.next().is_none() && key.name(id) == name).then_some((key, id))
    }
}

impl TargetPins {
    /// Path of the link's pin in a direction.
    pub(super) fn link(&self, direction: Direction) -> PathBuf {
        self.folder.join(direction.name())
    }

    /// Path of the pin of one of the target's own maps.
    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Removes a link that is not wanted any more.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn forget_link(&self, direction: Direction) -> Result<(), PinsError> {
        match fs::remove_file(self.link(direction)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(PinsError::Folder {
                path: self.folder.clone(),
                source,
            }),
            _ => Ok(()),
        }
    }

    /// Lets them stay: the tap goes on without us.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for TargetPins {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::error!(path = %self.folder.display(), %error, "cannot remove a target's pins");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_pins_tell_whose_they_are() {
        let key = PinKey {
            uid: PodUid::parse("8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e").expect("a UID"),
            netns_inode: 4_026_532_281,
            ifindex: 2,
        };
        let name = key.name(TargetId(7));
        assert!(!name.contains('.'));
        assert_eq!(PinKey::parse(&name), Some((key, TargetId(7))));
    }

    #[test]
    fn other_names_are_no_targets() {
        for name in [
            "",
            "RING",
            "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e",
            "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e_1_2",
            "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e_1_2_3_4",
            "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e_01_2_3",
            "8F0E9B3C-1d2a-4b5c-9d8e-7f6a5b4c3d2e_1_2_3",
            "x_1_2_3",
        ] {
            assert_eq!(PinKey::parse(name), None, "{name}");
        }
    }
}
