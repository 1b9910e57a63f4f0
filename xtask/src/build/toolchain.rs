//! Finds a Rust toolchain that can compile for the kernel.
//!
//! `core` has to be built for the bpf target, so the toolchain needs its own
//! source, and the unstable flag that builds it. In this order:
//!
//! 1. rustup's nightly with the component rust-src;
//! 2. the default toolchain with rust-src, told to accept unstable features;
//! 3. Debian's rustc and cargo with its packaged source, likewise.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    process::output,
    setup::{self, Tool},
};

/// The oldest rustc that aya's kernel-side crates accept.
const MIN_MINOR: u32 = 87;

/// Debian's packages of a recent rustc, its cargo and its source.
const DEBIAN: [Tool; 3] = [
    Tool {
        command: "/usr/bin/rustc",
        package: "rustc-web",
    },
    Tool {
        command: "/usr/bin/cargo",
        package: "cargo-web",
    },
    Tool {
        command: "/usr/lib/rustlib/src/rust/library/Cargo.toml",
        package: "rust-web-src",
    },
];

/// A cargo and a rustc that belong together.
#[derive(Debug)]
pub(super) struct Toolchain {
    /// What it is, for the user.
    pub(super) name: &'static str,
    cargo: PathBuf,
    rustc: PathBuf,
    /// Whether unstable features have to be allowed by RUSTC_BOOTSTRAP.
    is_stable: bool,
    /// Major version of its LLVM: the linker has to be of the same.
    pub(super) llvm: u32,
}

impl Toolchain {
    /// The first that will do, installed if it has to be and may be.
    pub(super) fn find() -> Result<Self> {
        let rustup = |toolchain: &str, name, is_stable| {
            let which = |command| {
                output(Command::new("rustup").args(["which", "--toolchain", toolchain, command]))
                    .map(|path| PathBuf::from(path.trim()))
            };
            Self::check(name, which("cargo").ok()?, which("rustc").ok()?, is_stable)
        };
        let default = || {
            let sysroot = sysroot(Path::new("rustc"))?;
            let bin = sysroot.join("bin");
            let name = "the default toolchain, which has rust-src";
            Self::check(name, bin.join("cargo"), bin.join("rustc"), true)
        };
        let debian = || {
            let (rustc, cargo) = ("/usr/bin/rustc".into(), "/usr/bin/cargo".into());
            Self::check("Debian's rustc", cargo, rustc, true)
        };
        let found = rustup("nightly", "rustup's nightly, which has rust-src", false)
            .or_else(default)
            .or_else(debian);
        if let Some(found) = found {
            return Ok(found);
        }
        setup::need(&DEBIAN).context(
            "no Rust toolchain with its source, which the kernel programs need: \
             `rustup toolchain install nightly --component rust-src` brings one",
        )?;
        debian().context("Debian's rustc is too old or has no source")
    }

    /// A cargo command that compiles for the kernel, free of what the cargo
    /// that runs this program told its children.
    pub(super) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        for name in [
            "CARGO",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTC_WRAPPER",
            "RUSTUP_TOOLCHAIN",
        ] {
            command.env_remove(name);
        }
        command.env("RUSTC", &self.rustc);
        if self.is_stable {
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        command
    }

    fn check(name: &'static str, cargo: PathBuf, rustc: PathBuf, is_stable: bool) -> Option<Self> {
        let source = sysroot(&rustc)?.join("lib/rustlib/src/rust/library/Cargo.toml");
        let version = output(Command::new(&rustc).arg("-vV")).ok()?;
        let llvm = field(&version, "LLVM version: ")?;
        let recent = minor(field(&version, "release: ")?)? >= MIN_MINOR;
        (recent && source.exists() && cargo.exists()).then_some(Self {
            name,
            cargo,
            rustc,
            is_stable,
            llvm: llvm.split('.').next()?.parse().ok()?,
        })
    }
}

/// The rest of the line that begins so, in the output of `rustc -vV`.
pub(super) fn field<'a>(version: &'a str, name: &str) -> Option<&'a str> {
    version.lines().find_map(|line| line.strip_prefix(name))
}

fn minor(release: &str) -> Option<u32> {
    release.split('.').nth(1)?.parse().ok()
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let path = output(Command::new(rustc).args(["--print", "sysroot"])).ok()?;
    Some(PathBuf::from(path.trim()))
}

/// Fails unless this is a machine whose byte order and processor the objects
/// are built for.
pub(super) fn require_little_endian() -> Result<()> {
    if cfg!(target_endian = "big") {
        bail!("podtap's kernel programs are built for little-endian machines only");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let version = "rustc 1.96.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1.96.0-nightly\nLLVM version: 22.1.2\n";
        assert_eq!(field(version, "host: "), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(minor(field(version, "release: ").unwrap()), Some(96));
        assert_eq!(field(version, "nothing: "), None);
    }
}
