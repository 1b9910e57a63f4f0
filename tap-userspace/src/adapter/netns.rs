//! Network namespaces: name one, enter it, leave no trace.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt,
    panic,
    path::{Path, PathBuf},
    thread,
};

use nix::sched::{CloneFlags, unshare};
use rustix::{
    fd::AsFd,
    io::Errno,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

/// An open network namespace. Held only as long as a step takes: an open one
/// keeps the namespace, and the pod's veth in it, alive after the pod.
#[derive(Debug)]
pub struct Netns {
    file: File,
    inode: u64,
    /// Where it was opened, for messages.
    origin: PathBuf,
}

/// Why a network namespace could not be opened or entered.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// There is none by that name.
    #[error("no network namespace `{0}`: neither below /run/netns nor a path")]
    NoSuchName(String),
    /// There is no such process.
    #[error("no process {0}")]
    NoSuchProcess(u32),
    /// It is there and cannot be opened.
    #[error("cannot open the network namespace {path}: {source}")]
    Open {
        /// Where it was looked for.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{0} is no network namespace")]
    NotNetns(PathBuf),
    /// Entering it is not allowed.
    #[error("cannot enter the network namespace {origin}: {source}")]
    Enter {
        /// Where it was opened.
        origin: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A new one may not be made.
    #[error("cannot make a network namespace: {0}")]
    Make(#[source] io::Error),
    /// No thread to enter it with.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl Netns {
    /// The namespace of a process, by the proc file system of its node.
    ///
    /// # Errors
    /// When there is no such process, or it may not be looked at.
    pub fn of_process(proc: &Path, pid: u32) -> Result<Self, NetnsError> {
        let path = proc.join(pid.to_string()).join("ns/net");
        match Self::open(&path) {
            Err(NetnsError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(NetnsError::NoSuchProcess(pid))
            }
            other => other,
        }
    }

    /// The namespace of that inode, if a process of the node is in it: another
    /// way to it when the process that it was opened by has ended.
    #[must_use]
    pub fn of_any_process(proc: &Path, inode: u64) -> Option<Self> {
        let entries = std::fs::read_dir(proc).ok()?;
        entries
            .filter_map(Result::ok)
            .filter(|entry| {
                let name = entry.file_name();
                name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
            })
            .map(|entry| entry.path().join("ns/net"))
            .filter(|path| path.metadata().is_ok_and(|found| found.ino() == inode))
            // The process may have ended, and its number be another's.
            .filter_map(|path| Self::open(&path).ok())
            .find(|netns| netns.inode == inode)
    }

    /// A namespace by name, as `ip netns` keeps them, or by path.
    ///
    /// # Errors
    /// When there is none, or it may not be opened.
    pub fn by_name_or_path(name: &str) -> Result<Self, NetnsError> {
        let path = if name.contains('/') {
            PathBuf::from(name)
        } else {
            Path::new("/run/netns").join(name)
        };
        match Self::open(&path) {
            Err(NetnsError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(NetnsError::NoSuchName(name.into()))
            }
            other => other,
        }
    }

    /// The namespace that this process started in.
    ///
    /// # Errors
    /// When it may not be opened.
    pub fn current() -> Result<Self, NetnsError> {
        Self::open(Path::new("/proc/self/ns/net"))
    }

    /// A new one with nothing but a loopback interface that is down. It goes
    /// with the last descriptor of it. Needs `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    /// When it may not be made or opened.
    pub fn new() -> Result<Self, NetnsError> {
        // Made by a thread that ends with it: nothing else ever lives there.
        let made = || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|error| NetnsError::Make(error.into()))?;
            Self::open(Path::new("/proc/thread-self/ns/net"))
        };
        thread::Builder::new()
            .name("podtap-netns".into())
            .spawn(made)
            .map_err(NetnsError::Thread)?
            .join()
            .unwrap_or_else(|cause| panic::resume_unwind(cause))
    }

    /// One that is open already; `origin` says where, for messages.
    ///
    /// # Errors
    /// When its inode cannot be read.
    pub fn from_file(file: File, origin: PathBuf) -> Result<Self, NetnsError> {
        match file.metadata() {
            Ok(metadata) => Ok(Self {
                inode: metadata.ino(),
                file,
                origin,
            }),
            Err(source) => Err(NetnsError::Open {
                path: origin,
                source,
            }),
        }
    }

    /// Where it was opened.
    #[must_use]
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// Inode of the namespace: its identity, for as long as it lives.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Does something inside the namespace, on a thread that lives for that
    /// alone: no other code ever runs there by mistake, and nothing has to be
    /// undone.
    ///
    /// # Errors
    /// When it cannot be entered.
    ///
    /// # Panics
    /// Goes on with a panic of `step`.
    pub fn inside<T: Send>(&self, step: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        thread::scope(|scope| {
            thread::Builder::new()
                .name("podtap-netns".into())
                .spawn_scoped(scope, || {
                    move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
                        .map_err(|error| match error {
                            Errno::INVAL => NetnsError::NotNetns(self.origin.clone()),
                            _ => NetnsError::Enter {
                                origin: self.origin.clone(),
                                source: error.into(),
                            },
                        })?;
                    Ok(step())
                })
                .map_err(NetnsError::Thread)?
                .join()
                .unwrap_or_else(|cause| panic::resume_unwind(cause))
        })
    }

    fn open(path: &Path) -> Result<Self, NetnsError> {
        match File::open(path) {
            Ok(file) => Self::from_file(file, path.into()),
            Err(source) => Err(NetnsError::Open {
                path: path.into(),
                source,
            }),
        }
    }
}
