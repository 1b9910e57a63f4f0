//! Images as archives, made without Docker.

pub mod agent;
pub mod archive;
pub mod debian;
pub mod digest;
pub mod layer;
pub mod mirror;
pub mod pause;
pub mod sensor;
pub mod suricata;
pub mod web;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cluster::Layout;

/// The folder of the image archives.
pub fn folder(layout: &Layout) -> Result<PathBuf> {
    let folder = layout.workspace().join("target/image");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Builds all images and prints how large they are. `binary` is the static
/// podtap binary, relative to the workspace.
pub fn build_all(binary: &Path) -> Result<()> {
    let layout = Layout::of_this_workspace();
    let binary = layout.workspace().join(binary);
    // podtap's own first: Suricata's needs root.
    for archive in [
        agent::build(&layout, &binary)?,
        pause::build(&layout)?,
        web::build(&layout)?,
        suricata::build(&layout)?,
    ] {
        eprintln!(
            "{:>10}  {}",
            size(fs::metadata(&archive)?.len()),
            archive.display()
        );
    }
    Ok(())
}

/// A size for people.
pub fn size(bytes: u64) -> String {
    let kib = bytes.div_ceil(1024);
    if kib < 10 * 1024 {
        format!("{kib} KiB")
    } else {
        format!("{} MiB", kib.div_ceil(1024))
    }
}
