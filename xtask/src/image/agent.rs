//! podtap's own image: one static binary and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::archive::{Config, write_bytes};
use super::folder;
use super::layer::{Entry, Layer};
use crate::cluster::Layout;

/// The image's name; the version is the workspace's.
pub const AGENT_IMAGE: &str = concat!("podtap.dev/podtap:", env!("CARGO_PKG_VERSION"));

/// Makes `target/image/podtap.tar` from a static binary.
pub fn build(layout: &Layout, binary: &Path) -> Result<PathBuf> {
    let content = fs::read(binary)
        .with_context(|| format!("{}: `cargo xtask build` makes it", binary.display()))?;
    if needs_interpreter(&content)? {
        bail!(
            "{} is not static: the image has no libraries",
            binary.display()
        );
    }
    let mut layer = Layer::default();
    layer.add("usr/local/bin/podtap", Entry::File(content, 0o755));
    layer.add("tmp", Entry::Folder(0o1777));
    let config = Config {
        name: AGENT_IMAGE.to_owned(),
        entrypoint: vec!["/usr/local/bin/podtap".to_owned()],
        ..Config::default()
    };
    let archive = folder(layout)?.join("podtap.tar");
    write_bytes(&archive, &config, &layer.tar()?)?;
    Ok(archive)
}

/// Whether a 64-bit little-endian ELF asks for a dynamic linker (PT_INTERP).
fn needs_interpreter(elf: &[u8]) -> Result<bool> {
    const PT_INTERP: [u8; 4] = 3u32.to_le_bytes();
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        bail!("not a 64-bit little-endian ELF binary");
    }
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = elf.get(at..at.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
        )
    };
    // e_phoff, e_phentsize, e_phnum of the ELF header.
    let (Some(table), Some(entry), Some(count)) = (number(32, 8), number(54, 2), number(56, 2))
    else {
        bail!("a cut ELF header");
    };
    let kind = |at: usize| {
        elf.get(table.checked_add(at.checked_mul(entry)?)?..)?
            .get(..4)
    };
    Ok((0..count).any(|at| kind(at) == Some(&PT_INTERP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_binaries_are_told_from_static_ones() {
        assert!(needs_interpreter(&fs::read("/bin/sh").unwrap()).unwrap());
        assert!(needs_interpreter(b"#!/bin/sh").is_err());
    }

    /// The manifests name the image that `cargo xtask image` makes.
    #[test]
    fn the_manifests_name_this_version() {
        let path = Layout::of_this_workspace()
            .workspace()
            .join("manifests/base/daemonset.yaml");
        let text = fs::read_to_string(path).unwrap();
        assert!(
            text.contains(&format!("image: {AGENT_IMAGE}\n")),
            "{AGENT_IMAGE}"
        );
    }
}
