//! A root file system with Suricata, and with the servers and clients whose
//! traffic it is shown: Debian's own, without installing a daemon on the
//! machine that tests.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use super::debian::{Format, LEFT_OUT, MMDEBSTRAP};
use super::digest::sha256_hex;
use super::{debian, folder, mirror};
use crate::cluster::Layout;
use crate::process::step;
use crate::setup::{need, require_root};

/// Without these there is nothing to compare, and nothing to compare with.
const REQUIRED: &[&str] = &[
    "suricata",
    "tcpdump",
    "ethtool",
    "iptables",
    "curl",
    "nginx-light",
    "openssl",
];

/// Each is installed alone: an archive may lack one.
const OPTIONAL: &[&str] = &[
    "dnsmasq-base",
    "bind9-dnsutils",
    "openssh-server",
    "openssh-client",
    "vsftpd",
    "samba",
    "smbclient",
];

/// Lets apt of this machine install one more package into the root file
/// system; that it cannot is said, and no failure.
fn optional_hook(package: &str) -> String {
    format!(
        r#"APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -qq --yes \
-oDPkg::Chroot-Directory="$1" install --no-install-recommends {package} >&2 || \
echo "cannot install {package}" >&2"#
    )
}

/// Makes `target/image/sensor-root`, once: it is kept until the recipe
/// changes. Returns the folder, which nothing may write to.
pub fn build(layout: &Layout) -> Result<PathBuf> {
    let folder = folder(layout)?;
    let root = folder.join("sensor-root");
    let stamp = folder.join("sensor-root.stamp");
    let recipe = sha256_hex(format!("1 {REQUIRED:?} {OPTIONAL:?} {LEFT_OUT:?}").as_bytes());
    if root.exists() && fs::read_to_string(&stamp).is_ok_and(|built| built == recipe) {
        return Ok(root);
    }
    require_root("making a root file system for Suricata")?;
    need(&[MMDEBSTRAP])?;
    let mirror = mirror::of_this_machine()?;
    let _ = fs::remove_file(&stamp);
    // mmdebstrap leaves nothing mounted in it, but what is below it is ours.
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| root.display().to_string())?;
    }
    let hooks: Vec<String> = OPTIONAL.iter().copied().map(optional_hook).collect();
    step(
        &format!("installing {}'s servers and Suricata", mirror.suite),
        || debian::install(&mirror, REQUIRED, &hooks, (Format::Folder, &root)),
    )?;
    ensure!(
        root.join("usr/bin/suricata").exists(),
        "{} has no Suricata",
        root.display()
    );
    fs::write(stamp, recipe)?;
    Ok(root)
}
