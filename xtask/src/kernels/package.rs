//! One kernel as its Debian package has it, unpacked and kept.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{Rung, archive, archive::Archive, folder};
use crate::{
    process::run,
    setup::{self, Tool},
};

/// A kernel to boot.
#[derive(Debug)]
pub(super) struct Kernel {
    /// As `uname -r` says it.
    pub(super) release: String,
    /// The image.
    pub(super) image: PathBuf,
    /// The folder with `modules.dep`.
    pub(super) modules: PathBuf,
}

/// The kernel of a rung: the one that was unpacked before, else the latest. To
/// have a later one, remove its folder.
pub(super) fn get(rung: Rung) -> Result<Kernel> {
    let folder = folder(rung);
    let unpacked = folder.join("unpacked");
    if !unpacked.exists() {
        let packages = Archive::open(rung, folder.join("apt"))?.kernel()?;
        let half = folder.join("unpacked.new");
        if half.exists() {
            fs::remove_dir_all(&half)?;
        }
        for package in packages {
            archive::unpack(&package, &half)?;
        }
        describe_modules(&half)?;
        fs::rename(&half, &unpacked)?;
    }
    find(&unpacked).with_context(|| format!("in {}", unpacked.display()))
}

fn find(root: &Path) -> Result<Kernel> {
    let modules = only_folder(&base(root).join("lib/modules"))?;
    let release = modules
        .file_name()
        .context("modules without a release")?
        .to_string_lossy()
        .into_owned();
    // Since Linux 7 the image lies beside its modules.
    let image = [
        root.join("boot").join(format!("vmlinuz-{release}")),
        modules.join("vmlinuz"),
    ];
    let image = image
        .into_iter()
        .find(|image| image.is_file())
        .with_context(|| format!("no image of {release}"))?;
    Ok(Kernel {
        release,
        image,
        modules,
    })
}

/// Writes `modules.dep`, which a package leaves to its installation.
fn describe_modules(root: &Path) -> Result<()> {
    setup::need(&[Tool {
        command: "depmod",
        package: "kmod",
    }])?;
    let depmod = setup::find("depmod").context("no depmod")?;
    let kernel = find(root)?;
    run(Command::new(depmod)
        .arg("-b")
        .arg(base(root))
        .arg(kernel.release))
}

/// The folder that has `lib/modules`: from trixie on it is below `usr`.
fn base(root: &Path) -> PathBuf {
    let merged = root.join("usr");
    if merged.join("lib/modules").exists() {
        merged
    } else {
        root.into()
    }
}

fn only_folder(folder: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let entry = entries
        .next()
        .with_context(|| format!("{} is empty", folder.display()))??;
    Ok(entry.path())
}
