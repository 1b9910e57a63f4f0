//! Finds or builds bpf-linker, which turns LLVM bitcode into an eBPF object.
//!
//! `$BPF_LINKER` names one to use; else the one below `target/tools`, built
//! there for the toolchain's LLVM if need be; a prebuilt one of another LLVM
//! would fail at the first bitcode file.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Result, ensure};

use super::{toolchain::Toolchain, workspace};
use crate::{
    process::{run, step},
    setup::{self, Tool},
};

const VERSION: &str = "0.13.0";

/// The linker for this toolchain.
pub(super) fn find(toolchain: &Toolchain) -> Result<PathBuf> {
    if let Some(path) = env::var_os("BPF_LINKER").map(PathBuf::from) {
        ensure!(
            path.is_file(),
            "BPF_LINKER names no file: {}",
            path.display()
        );
        return Ok(path);
    }
    let tools = workspace().join(format!("target/tools/llvm-{}", toolchain.llvm));
    let linker = tools.join("bin/bpf-linker");
    if linker.is_file() {
        return Ok(linker);
    }
    let prefix = need_llvm(toolchain.llvm)?;
    step(
        &format!("building bpf-linker {VERSION} with LLVM {}", toolchain.llvm),
        || {
            run(Command::new(env!("CARGO"))
                .args([
                    "install",
                    "bpf-linker",
                    "--locked",
                    "--version",
                    VERSION,
                    "--root",
                ])
                .arg(&tools)
                .args(["--no-default-features", "--features"])
                .arg(format!("llvm-{}", toolchain.llvm))
                .env("LLVM_PREFIX", prefix)
                .env_remove("RUSTFLAGS")
                .env_remove("CARGO_ENCODED_RUSTFLAGS")
                .env_remove("CARGO_TARGET_DIR"))
        },
    )?;
    Ok(linker)
}

/// The folder of that LLVM's development files, installed if it has to be.
fn need_llvm(major: u32) -> Result<PathBuf> {
    let prefix = PathBuf::from(format!("/usr/lib/llvm-{major}"));
    // `Tool` speaks of names that live as long as the program: these are few.
    let leak = |text: String| -> &'static str { text.leak() };
    setup::need(&[
        Tool {
            command: leak(format!("/usr/lib/llvm-{major}/include/llvm-c/Core.h")),
            package: leak(format!("llvm-{major}-dev")),
        },
        Tool {
            command: leak(format!("/usr/lib/llvm-{major}/lib/libPolly.a")),
            package: leak(format!("libpolly-{major}-dev")),
        },
        Tool {
            command: "/usr/include/zlib.h",
            package: "zlib1g-dev",
        },
        Tool {
            command: "/usr/include/zstd.h",
            package: "libzstd-dev",
        },
        Tool {
            command: "c++",
            package: "g++",
        },
    ])?;
    Ok(prefix)
}
