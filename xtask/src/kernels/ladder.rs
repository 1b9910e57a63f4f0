//! The program that is a virtual machine's init: static, with the eBPF objects
//! inside.

use std::{env, path::PathBuf};

use anyhow::{Result, ensure};

use crate::build::{build_objects, build_static, workspace};

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
    let objects = match env::var_os("PODTAP_BPF_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            build_objects()?;
            workspace().join("target/bpf")
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
    let binary = build_static("tests", "ladder", TARGET)?;
    Ok(Ladder { binary, objects })
}
