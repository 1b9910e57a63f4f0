//! Whether the kernel offers what the kernel side is made of, one thing at a
//! time. Nothing stays behind.

use std::{fs, io};

use aya::{maps::MapType, sys::is_map_supported};

use super::{bpffs::Bpffs, kernel_types::KernelTypes};
use crate::model::one_line;

/// How much of itself the kernel keeps from root (kernel_lockdown(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Nothing.
    None,
    /// It cannot be changed.
    Integrity,
    /// It cannot be read either: no reads of kernel memory by programs.
    Confidentiality,
}

/// Makes a bpf file system of its own, and drops it.
///
/// # Errors
/// What the kernel said.
pub fn bpffs() -> io::Result<()> {
    Bpffs::new().map(drop)
}

/// Whether there are ring buffers.
///
/// # Errors
/// When the kernel will not say, for want of rights.
pub fn ring_buffer() -> io::Result<bool> {
    is_map_supported(MapType::RingBuf).map_err(|error| error.io_error)
}

/// Whether the kernel's BTF is there and tells what podtap asks of it.
///
/// # Errors
/// What is missing, in one line.
pub fn kernel_types() -> Result<(), String> {
    KernelTypes::read()
        .map(drop)
        .map_err(|error| one_line(&error))
}

/// The lockdown; `None` where it is not to be seen, as in most containers.
#[must_use]
pub fn lockdown() -> Option<Lockdown> {
    parse_lockdown(&fs::read_to_string("/sys/kernel/security/lockdown").ok()?)
}

/// All levels in a line, brackets around the one that holds
/// (`lockdown_read` in security/lockdown/lockdown.c).
fn parse_lockdown(text: &str) -> Option<Lockdown> {
    let (_, rest) = text.split_once('[')?;
    match rest.split_once(']')?.0 {
        "none" => Some(Lockdown::None),
        "integrity" => Some(Lockdown::Integrity),
        "confidentiality" => Some(Lockdown::Confidentiality),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Lockdown, parse_lockdown};

    #[test]
    fn the_lockdown_that_holds_is_the_one_in_brackets() {
        for (text, lockdown) in [
            ("[none] integrity confidentiality\n", Some(Lockdown::None)),
            (
                "none [integrity] confidentiality\n",
                Some(Lockdown::Integrity),
            ),
            (
                "none integrity [confidentiality]\n",
                Some(Lockdown::Confidentiality),
            ),
            ("none integrity confidentiality\n", None),
            ("", None),
        ] {
            assert_eq!(parse_lockdown(text), lockdown, "{text}");
        }
    }
}
