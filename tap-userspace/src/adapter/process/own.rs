//! What this process is and may do, by its own `/proc/self`.

use std::{fs, io};

use rustix::process::{Resource, geteuid, getrlimit};

use crate::model::{
    capability::Capabilities, confinement::Confinement, kernel_release::KernelRelease,
};

/// Whether it runs as root.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The capabilities that it has now.
///
/// # Errors
/// When `/proc/self/status` cannot be read or has none.
pub fn capabilities() -> io::Result<Capabilities> {
    let text = fs::read_to_string("/proc/self/status")?;
    Capabilities::effective(&text)
        .ok_or_else(|| io::Error::other("/proc/self/status has no line CapEff"))
}

/// Whether it is in the machine's own user namespace: all numbers of users
/// stand for themselves (user_namespaces(7)).
///
/// # Errors
/// When `/proc/self/uid_map` cannot be read.
pub fn is_in_first_user_namespace() -> io::Result<bool> {
    let text = fs::read_to_string("/proc/self/uid_map")?;
    Ok(text.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// How a Linux security module confines it. Without one: by nothing.
#[must_use]
pub fn confinement() -> Confinement {
    // AppArmor's own file first: `current` is that of one module among many.
    [
        "/proc/self/attr/apparmor/current",
        "/proc/self/attr/current",
    ]
    .into_iter()
    .find_map(|path| fs::read_to_string(path).ok())
    .map_or(Confinement::None, |text| Confinement::parse(&text))
}

/// How much memory it may lock, in bytes; `None` is as much as it likes.
#[must_use]
pub fn memlock_bytes() -> Option<u64> {
    getrlimit(Resource::Memlock).current
}

/// What `uname -r` says, and what that means.
#[must_use]
pub fn kernel_release() -> (String, Option<KernelRelease>) {
    let name = rustix::system::uname();
    let text = name.release().to_string_lossy().into_owned();
    let release = KernelRelease::parse(&text);
    (text, release)
}
