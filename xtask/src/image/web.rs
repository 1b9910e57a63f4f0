//! The image of the demo's and the tests' web server and client: busybox.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::archive::{Config, write_bytes};
use super::folder;
use super::layer::{Entry, Layer};
use crate::cluster::Layout;
use crate::setup::unpack;

/// The image's name.
pub const WEB_IMAGE: &str = "podtap.dev/web:1";

/// The file that the server has, by its path in the URL.
pub const WEB_FILE: &str = "big.bin";

/// Its length: a number that one recognises in a sensor's log.
pub const WEB_FILE_LENGTH: usize = 10_240_000;

/// The commands that the image offers.
const COMMANDS: &[&str] = &[
    "cat",
    "head",
    "httpd",
    "ls",
    "nc",
    "ping",
    "sh",
    "sha256sum",
    "sleep",
    "wget",
    "wc",
];

/// Makes `target/image/web.tar`: by default it serves `/www` on port 80; with
/// another command (`wget`, `sleep`, `sh`) it is the client. By address only: a
/// static C library cannot look up names, and `wget` crashes on one.
pub fn build(layout: &Layout) -> Result<PathBuf> {
    let busybox = busybox(layout)?;
    let mut layer = Layer::default();
    layer.add("bin/busybox", Entry::File(fs::read(busybox)?, 0o755));
    for command in COMMANDS {
        layer.add(&format!("bin/{command}"), Entry::Link("busybox".to_owned()));
    }
    layer.add("tmp", Entry::Folder(0o1777));
    layer.add("www/index.html", Entry::File(b"podtap\n".to_vec(), 0o644));
    layer.add(&format!("www/{WEB_FILE}"), Entry::File(web_file(), 0o644));
    let config = Config {
        name: WEB_IMAGE.to_owned(),
        arguments: ["httpd", "-f", "-v", "-p", "80", "-h", "/www"]
            .map(str::to_owned)
            .into(),
        ..Config::default()
    };
    let archive = folder(layout)?.join("web.tar");
    write_bytes(&archive, &config, &layer.tar()?)?;
    Ok(archive)
}

/// The content of [`WEB_FILE`]: no two pieces alike, so that a lost, doubled
/// or displaced segment shows in its digest.
pub fn web_file() -> Vec<u8> {
    // xorshift64 (Marsaglia, 2003).
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(WEB_FILE_LENGTH);
    while bytes.len() < WEB_FILE_LENGTH {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(WEB_FILE_LENGTH);
    bytes
}

/// A static busybox out of Debian's package, which is unpacked and not
/// installed: installing it would remove the one that is there.
fn busybox(layout: &Layout) -> Result<PathBuf> {
    let cache = folder(layout)?.join("busybox");
    let busybox = cache.join("root/bin/busybox");
    if busybox.exists() {
        return Ok(busybox);
    }
    let unpacked = unpack("busybox-static", &cache)?;
    let found = ["bin/busybox", "usr/bin/busybox"].map(|path| unpacked.join(path));
    let found = found
        .iter()
        .find(|path| path.exists())
        .context("no busybox in busybox-static")?;
    fs::create_dir_all(cache.join("root/bin"))?;
    fs::copy(found, cache.join("root/bin/.new"))?;
    fs::rename(cache.join("root/bin/.new"), &busybox)?;
    Ok(busybox)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_its_length_and_does_not_repeat() {
        let file = web_file();
        assert_eq!(file.len(), WEB_FILE_LENGTH);
        assert_ne!(file[..1448], file[1448..2896]);
    }
}
