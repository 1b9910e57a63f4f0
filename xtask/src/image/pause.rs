//! The image of pod sandboxes.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::archive::{Config, write_bytes};
use super::folder;
use super::layer::{Entry, Layer};
use crate::cluster::{Layout, build_only};

/// The image's name.
pub const PAUSE_IMAGE: &str = "podtap.dev/pause:1";

/// Makes `target/image/pause.tar`.
pub fn build(layout: &Layout) -> Result<PathBuf> {
    let pause = build_only(layout, "pause")?;
    let mut layer = Layer::default();
    layer.add("pause", Entry::File(fs::read(pause)?, 0o755));
    let config = Config {
        name: PAUSE_IMAGE.to_owned(),
        entrypoint: vec!["/pause".to_owned()],
        user: "65535:65535".to_owned(),
        ..Config::default()
    };
    let archive = folder(layout)?.join("pause.tar");
    write_bytes(&archive, &config, &layer.tar()?)?;
    Ok(archive)
}
