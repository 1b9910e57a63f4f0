//! Suricata's image, from Debian's own packages.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::archive::{Config, write};
use super::debian::{Format, LEFT_OUT, MMDEBSTRAP};
use super::digest::sha256_hex;
use super::{debian, folder, mirror};
use crate::cluster::Layout;
use crate::process::step;
use crate::setup::{Tool, need, require_root};

/// The image's name.
pub const SURICATA_IMAGE: &str = "podtap.dev/suricata:1";

/// The user that Suricata runs as.
const USER: &str = "64535:64535";

/// The binary gets the one capability that reading packets needs, so that
/// another user than root can run it.
const HOOK: &str = r#"setcap cap_net_raw+ep "$1/usr/bin/suricata" &&
rm -rf "$1"/var/lib/apt/* "$1"/var/cache/* "$1"/var/log/* &&
find "$1" -xdev -type f -perm /6000 -exec chmod a-s {} +"#;

/// Makes `target/image/suricata.tar`, once: it is kept until the recipe changes.
pub fn build(layout: &Layout) -> Result<PathBuf> {
    let folder = folder(layout)?;
    let archive = folder.join("suricata.tar");
    let stamp = folder.join("suricata.stamp");
    let recipe = sha256_hex(format!("{USER} {LEFT_OUT:?} {HOOK}").as_bytes());
    if archive.exists() && fs::read_to_string(&stamp).is_ok_and(|built| built == recipe) {
        return Ok(archive);
    }
    require_root("making Suricata's image")?;
    need(&[
        MMDEBSTRAP,
        Tool {
            command: "setcap",
            package: "libcap2-bin",
        },
    ])?;
    let mirror = mirror::of_this_machine()?;
    let root = folder.join("suricata-root.tar");
    let hooks = [HOOK.to_owned()];
    step(
        &format!("installing {}'s Suricata into an image", mirror.suite),
        || debian::install(&mirror, &["suricata"], &hooks, (Format::Tar, &root)),
    )?;
    let config = Config {
        name: SURICATA_IMAGE.to_owned(),
        entrypoint: vec!["/usr/bin/suricata".to_owned()],
        user: USER.to_owned(),
        ..Config::default()
    };
    step("writing Suricata's image", || {
        write(&archive, &config, &root)
    })?;
    fs::remove_file(root)?;
    fs::write(stamp, recipe)?;
    Ok(archive)
}
