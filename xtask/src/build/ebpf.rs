//! Compiles the kernel programs.

use std::fs;

use anyhow::{Context as _, Result};

use super::{install, linker, toolchain, toolchain::Toolchain, workspace};
use crate::process::{run, step};

/// The objects of tap-ebpf, by the names of its binaries.
const OBJECTS: [&str; 2] = ["classifier", "drop"];

/// The target that the objects are built for.
const TARGET: &str = "bpfel-unknown-none";

/// Compiles tap-ebpf into `target/bpf`, where tap-userspace takes the objects
/// from.
pub fn build_objects() -> Result<()> {
    toolchain::require_little_endian()?;
    let toolchain = Toolchain::find()?;
    let linker = linker::find(&toolchain)?;
    let root = workspace();
    let built = root.join("target/bpf-build");
    step(
        &format!("compiling the kernel programs with {}", toolchain.name),
        || {
            run(toolchain
                .cargo()
                .current_dir(root.join("tap-ebpf"))
                .args(["build", "--release", "--locked", "-Z", "build-std=core"])
                .args(["--target", TARGET, "--target-dir"])
                .arg(&built)
                // BTF, so that the verifier's messages name lines.
                .env(
                    "RUSTFLAGS",
                    format!(
                        "-C debuginfo=2 -C link-arg=--btf -C linker={}",
                        linker.display()
                    ),
                ))
        },
    )?;
    let folder = root.join("target/bpf");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for name in OBJECTS {
        install(
            &built.join(TARGET).join("release").join(name),
            &folder.join(name),
        )?;
    }
    Ok(())
}
