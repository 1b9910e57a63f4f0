//! Puts the eBPF objects that `cargo xtask build` made where the library
//! includes them from.
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a build script tells its story by failing"
)]

use std::{env, fs, path::PathBuf};

/// Where the objects are, if not below `target/bpf`.
const DIRECTORY: &str = "PODTAP_BPF_DIR";

fn main() {
    println!("cargo::rerun-if-env-changed={DIRECTORY}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let objects =
        env::var_os(DIRECTORY).map_or_else(|| manifest.join("../target/bpf"), PathBuf::from);
    for name in ["classifier", "drop"] {
        let object = objects.join(name);
        println!("cargo::rerun-if-changed={}", object.display());
        if let Err(error) = fs::copy(&object, out.join(name)) {
            panic!(
                "the eBPF object {} is not there ({error}): run `cargo xtask build` first",
                object.display()
            );
        }
    }
}
