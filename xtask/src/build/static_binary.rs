//! A binary with the C library inside: it runs on any Linux of its
//! architecture, and alone in an image or in a virtual machine.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, ensure};

use super::workspace;
use crate::process::interactive;

/// Builds a package's binary for a target of this machine's toolchain; returns
/// where it is, below `target/static`: all of them share their dependencies.
pub fn build_static(package: &str, binary: &str, target: &str) -> Result<PathBuf> {
    let root = workspace();
    // `--target` keeps the flags from procedural macros and build scripts,
    // which have to be shared objects.
    let folder = root.join("target/static");
    let status = interactive(
        Command::new(env!("CARGO"))
            .current_dir(&root)
            .args(["build", "--release", "--locked"])
            .args(["--package", package, "--bin", binary])
            .args(["--target", target, "--target-dir"])
            .arg(&folder)
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )?;
    ensure!(status.success(), "building {binary} failed: {status}");
    Ok(folder.join(target).join("release").join(binary))
}
