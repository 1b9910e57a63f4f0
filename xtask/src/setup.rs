//! What must be installed on this machine, and installing it where that is
//! possible: as root on Debian and Ubuntu. Elsewhere one line says what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::{output, run, step};

/// A command that is needed and the Debian package that brings it.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The command's name, or an absolute path of a file.
    pub command: &'static str,
    /// Its Debian and Ubuntu package.
    pub package: &'static str,
}

/// Where system commands live: a user's PATH often leaves out the sbin folders.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The oldest Go that fetches a newer toolchain by itself when a module asks.
const GO_MINOR: u32 = 21;

/// Fails in one line unless run by root.
pub fn require_root(what: &str) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("{what} needs root (network namespaces, mounts): run it with sudo");
    }
    Ok(())
}

/// Where a command is, or nothing.
pub fn find(command: &str) -> Option<PathBuf> {
    if command.starts_with('/') {
        return Some(PathBuf::from(command)).filter(|path| path.exists());
    }
    let user = std::env::var("PATH").unwrap_or_default();
    std::env::split_paths(&user)
        .chain(std::env::split_paths(SYSTEM_PATH))
        .map(|folder| folder.join(command))
        .find(|path| path.is_file())
}

/// Makes sure that all of `tools` are there, installing what is missing.
pub fn need(tools: &[Tool]) -> Result<()> {
    let mut packages: Vec<&str> = tools
        .iter()
        .filter(|tool| find(tool.command).is_none())
        .map(|tool| tool.package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    install(&packages)?;
    match tools.iter().find(|tool| find(tool.command).is_none()) {
        Some(tool) => bail!(
            "{} is still missing after installing {}",
            tool.command,
            tool.package
        ),
        None => Ok(()),
    }
}

/// Makes sure that a Go new enough to build Kubernetes is there.
pub fn need_go() -> Result<PathBuf> {
    if let Some(go) = find("go") {
        let version = output(Command::new(&go).arg("version").env("GOTOOLCHAIN", "local"))?;
        return match go_minor(&version) {
            Some(minor) if minor < GO_MINOR => {
                bail!(
                    "{} is Go 1.{minor}: install Go 1.{GO_MINOR} or later",
                    go.display()
                )
            }
            _ => Ok(go),
        };
    }
    let candidate =
        output(Command::new("apt-cache").args(["policy", "golang-go"])).unwrap_or_default();
    let minor = candidate
        .split("Candidate: 2:1.")
        .nth(1)
        .and_then(leading_number);
    if minor.is_none_or(|minor| minor < GO_MINOR) {
        bail!("install Go 1.{GO_MINOR} or later: this system's packages have none");
    }
    install(&["golang-go"])?;
    find("go").context("no go command after installing golang-go")
}

/// Fetches a Debian package and unpacks it below a folder of its own, unless it
/// is there; returns where. It is not installed, and neither is what it needs.
pub fn unpack(package: &str, folder: &Path) -> Result<PathBuf> {
    let unpacked = folder.join("unpacked");
    if unpacked.exists() {
        return Ok(unpacked);
    }
    need(&[
        Tool {
            command: "apt-get",
            package: "apt",
        },
        Tool {
            command: "dpkg-deb",
            package: "dpkg",
        },
    ])?;
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    step(&format!("fetching {package}"), || {
        let download = || {
            run(Command::new("apt-get")
                .current_dir(folder)
                .args(["download", "-qq", package]))
        };
        // The lists may be old, or not there at all.
        download().or_else(|_| {
            run(Command::new("apt-get").args(["update", "-qq"])).and_then(|()| download())
        })
    })?;
    let names = output(Command::new("ls").arg(folder))?;
    let name = names
        .lines()
        .find(|name| name.ends_with(".deb"))
        .context("apt-get download left no package")?;
    let half = folder.join("half");
    run(Command::new("dpkg-deb")
        .arg("-x")
        .arg(folder.join(name))
        .arg(&half))?;
    fs::rename(&half, &unpacked)?;
    Ok(unpacked)
}

fn install(packages: &[&str]) -> Result<()> {
    let root = nix::unistd::geteuid().is_root();
    if !root || !Path::new("/etc/debian_version").exists() {
        bail!(
            "install these first (Debian's names): {}",
            packages.join(" ")
        );
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    step("apt-get update", || run(apt().args(["update", "-qq"])))?;
    step(&format!("apt-get install {}", packages.join(" ")), || {
        run(apt()
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(packages))
    })
}

/// `1.26` out of `go version go1.26.8 linux/amd64`.
fn go_minor(version: &str) -> Option<u32> {
    version.split("go1.").nth(1).and_then(leading_number)
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_read() {
        assert_eq!(go_minor("go version go1.26.8 linux/amd64"), Some(26));
        assert_eq!(go_minor("go version go1.19 linux/arm64"), Some(19));
        assert_eq!(go_minor("go version devel"), None);
    }

    #[test]
    fn commands_are_found_by_name_and_by_path() {
        assert!(find("sh").is_some());
        assert!(find("/bin/sh").is_some());
        assert!(find("no-such-command-here").is_none());
    }
}
