//! Suricata's image, from Debian's own packages.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::archive::{Config, write};
use super::digest::sha256_hex;
use super::{folder, mirror};
use crate::cluster::Layout;
use crate::process::{run, step};
use crate::setup::{Tool, need, require_root};

/// The image's name.
pub const SURICATA_IMAGE: &str = "podtap.dev/suricata:1";

/// The user that Suricata runs as.
const USER: &str = "64535:64535";

/// Not needed to run: documentation, translations, the package system.
const LEFT_OUT: &[&str] = &[
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/i18n/*",
];

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
        Tool {
            command: "mmdebstrap",
            package: "mmdebstrap",
        },
        Tool {
            command: "setcap",
            package: "libcap2-bin",
        },
    ])?;
    let mirror = mirror::of_this_machine()?;
    let root = folder.join("suricata-root.tar");
    let mut command = Command::new("mmdebstrap");
    command
        // Fixed times: the same packages give the same image.
        .env("SOURCE_DATE_EPOCH", "0")
        .args([
            "--quiet",
            "--mode=root",
            "--variant=essential",
            "--format=tar",
            "--include=suricata",
        ])
        .arg(format!("--components={}", mirror.components))
        .args(
            LEFT_OUT
                .iter()
                .map(|path| format!("--dpkgopt=path-exclude={path}")),
        )
        .arg(format!("--customize-hook={HOOK}"))
        .arg(&mirror.suite)
        .arg(&root)
        .arg(&mirror.uri);
    step(
        &format!("installing {}'s Suricata into an image", mirror.suite),
        || run(&mut command),
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
