//! The docker-archive format: a tar of a manifest, a configuration and one
//! layer, as `docker save` writes it and every runtime imports it.
//!
//! The same input gives the same bytes: fixed times and owners, sorted names.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tar::{Builder, EntryType};

use super::digest::{sha256_hex, sha256_hex_of};
use super::layer::append;

/// What a container of the image runs, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The image's name with its tag.
    pub name: String,
    /// The command.
    pub entrypoint: Vec<String>,
    /// The arguments, unless others are given.
    pub arguments: Vec<String>,
    /// `UID:GID`; empty for root.
    pub user: String,
}

/// Writes an image of one layer, given as a tar file, to `archive`.
pub fn write(archive: &Path, config: &Config, layer: &Path) -> Result<()> {
    let open = || {
        File::open(layer)
            .map(BufReader::new)
            .with_context(|| layer.display().to_string())
    };
    let size = fs::metadata(layer)?.len();
    let digest = sha256_hex_of(open()?)?;
    write_parts(archive, config, open()?, size, &digest)
}

/// Writes an image of one layer, given as the bytes of a tar, to `archive`.
pub fn write_bytes(archive: &Path, config: &Config, layer: &[u8]) -> Result<()> {
    write_parts(
        archive,
        config,
        layer,
        layer.len() as u64,
        &sha256_hex(layer),
    )
}

fn write_parts(
    archive: &Path,
    config: &Config,
    layer: impl Read,
    size: u64,
    digest: &str,
) -> Result<()> {
    let image = serde_json::to_vec(&image_config(config, digest))?;
    let image_name = format!("{}.json", sha256_hex(&image));
    let layer_name = format!("{digest}/layer.tar");
    let manifest = serde_json::to_vec(&json!([{
        "Config": image_name, "RepoTags": [config.name], "Layers": [layer_name],
    }]))?;

    // Renamed when whole: an interrupted build leaves no half archive.
    let unfinished = archive.with_extension("new");
    let mut tar = Builder::new(BufWriter::new(File::create(&unfinished)?));
    append(
        &mut tar,
        "manifest.json",
        manifest.len() as u64,
        0o644,
        EntryType::Regular,
        manifest.as_slice(),
    )?;
    append(
        &mut tar,
        &image_name,
        image.len() as u64,
        0o644,
        EntryType::Regular,
        image.as_slice(),
    )?;
    append(
        &mut tar,
        &layer_name,
        size,
        0o644,
        EntryType::Regular,
        layer,
    )?;
    tar.into_inner()?
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?
        .sync_all()?;
    fs::rename(&unfinished, archive)?;
    Ok(())
}

fn image_config(config: &Config, layer_digest: &str) -> Value {
    json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Entrypoint": config.entrypoint,
            "Cmd": config.arguments,
            "User": config.user,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::layer::{Entry, Layer};

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            name: "example.test/tool:1".to_owned(),
            ..Config::default()
        };
        let write = |name: &str| {
            let mut layer = Layer::default();
            layer.add("usr/bin/tool", Entry::File(b"content".to_vec(), 0o755));
            let path = folder.path().join(name);
            write_bytes(&path, &config, &layer.tar().unwrap()).unwrap();
            fs::read(path).unwrap()
        };
        assert_eq!(write("a.tar"), write("b.tar"));
    }
}
