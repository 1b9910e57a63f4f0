//! `cargo xtask build`: the eBPF objects, and one self-contained binary with
//! the objects inside.

mod ebpf;
mod linker;
mod static_binary;
mod toolchain;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::process::output;

pub use ebpf::build_objects;
pub use static_binary::build_static;

/// The workspace's root folder.
#[must_use]
pub fn workspace() -> PathBuf {
    // xtask's own folder is one below.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Builds everything; returns the binary, `target/release/podtap`.
pub fn build() -> Result<PathBuf> {
    build_objects()?;
    build_binary()
}

/// The static binary for the machine that it is built on.
fn build_binary() -> Result<PathBuf> {
    let built = build_static("tap-userspace", "podtap", &host_triple()?)?;
    let binary = workspace().join("target/release/podtap");
    let size = install(&built, &binary)?;
    eprintln!("{} ({:.1} MB)", binary.display(), size as f64 / 1e6);
    Ok(binary)
}

/// Copies by renaming, since a running binary cannot be written to; leaves the
/// file alone, time stamp and all, if it is the same.
fn install(from: &Path, to: &Path) -> Result<u64> {
    let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(bytes.len() as u64);
    }
    let folder = to.parent().context("a file without a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let half = to.with_extension("new");
    fs::copy(from, &half).with_context(|| format!("writing {}", half.display()))?;
    fs::rename(&half, to).with_context(|| format!("writing {}", to.display()))?;
    Ok(bytes.len() as u64)
}

fn host_triple() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    toolchain::field(&version, "host: ")
        .map(str::to_owned)
        .context("rustc -vV names no host")
}
