//! The program that is a virtual machine's init: static, with the eBPF objects
//! inside.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Result, ensure};

use crate::{
    build::{build_objects, workspace},
    process::interactive,
};

/// The ladder's kernels are built for this processor alone.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What goes into the virtual machines.
#[derive(Debug)]
pub(super) struct Ladder {
    pub(super) binary: PathBuf,
    /// The folder of the objects that the binary was built with.
    pub(super) objects: PathBuf,
}

/// Builds it, objects first. `$PODTAP_LADDER` names a binary that is built
/// already, and `$PODTAP_BPF_DIR` the folder of its objects.
pub(super) fn build() -> Result<Ladder> {
    let root = workspace();
    let objects = match env::var_os("PODTAP_BPF_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            build_objects()?;
            root.join("target/bpf")
        }
    };
    if let Some(binary) = env::var_os("PODTAP_LADDER").map(PathBuf::from) {
        ensure!(
            binary.is_file(),
            "PODTAP_LADDER names no file: {}",
            binary.display()
        );
        return Ok(Ladder { binary, objects });
    }
    // The folder and flags of the static podtap: its dependencies are there.
    let folder = root.join("target/static");
    let status = interactive(
        Command::new(env!("CARGO"))
            .current_dir(&root)
            .args([
                "build",
                "--release",
                "--locked",
                "--package",
                "tests",
                "--bin",
                "ladder",
            ])
            .args(["--target", TARGET, "--target-dir"])
            .arg(&folder)
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )?;
    ensure!(status.success(), "building the ladder failed: {status}");
    Ok(Ladder {
        binary: folder.join(TARGET).join("release/ladder"),
        objects,
    })
}
