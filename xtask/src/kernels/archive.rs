//! Packages of other Debian releases, through the mirror that this machine's
//! apt uses, without touching apt's own configuration, lists or cache.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::Rung;
use crate::{
    process::{output, run, step},
    setup::{self, Tool},
};

/// Brings the keys of older and newer releases.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Names under which a mirror's Debian suites are known; a suite with a dash
/// is an addition such as updates.
const SUITES: [&str; 9] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// Follows the latest kernel of a release.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// An apt of our own for one release.
pub(super) struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Reads the release's list of packages.
    pub(super) fn open(rung: Rung, folder: PathBuf) -> Result<Self> {
        setup::need(&[Tool {
            command: KEYRING,
            package: "debian-archive-keyring",
        }])?;
        let mirror = mirror()?;
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let source = format!("deb [signed-by={KEYRING}] {mirror} {} main\n", rung.suite);
        fs::write(folder.join("sources.list"), source)?;
        let this = Self { folder };
        step(
            &format!("reading the packages of Debian {}", rung.suite),
            || run(this.apt("apt-get").args(["update", "-qq"])),
        )?;
        Ok(this)
    }

    /// Downloads the release's latest cloud kernel; returns the package files.
    pub(super) fn kernel(&self) -> Result<Vec<PathBuf>> {
        let name = self
            .needs(META_PACKAGE)?
            .into_iter()
            .find(|name| name.starts_with("linux-image-"))
            .with_context(|| format!("{META_PACKAGE} names no kernel"))?;
        // Since Linux 7 image and modules are packages of their own.
        let parts = self.needs(&name)?.into_iter().filter(|part| {
            ["linux-base-", "linux-binary-", "linux-modules-"]
                .iter()
                .any(|prefix| part.starts_with(prefix))
        });
        let names: Vec<String> = parts.chain([name.clone()]).collect();
        let downloads = self.folder.join("download");
        // A half download of another time is not to be taken for this one.
        if downloads.exists() {
            fs::remove_dir_all(&downloads)?;
        }
        fs::create_dir_all(&downloads)?;
        step(&format!("downloading {name}"), || {
            run(self
                .apt("apt-get")
                .args(["download", "-qq"])
                .args(&names)
                .current_dir(&downloads))
        })?;
        fs::read_dir(&downloads)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    }

    /// The packages that one depends on.
    fn needs(&self, package: &str) -> Result<Vec<String>> {
        let depends = output(
            self.apt("apt-cache")
                .args(["depends", "--important", package]),
        )?;
        Ok(depends
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .map(str::to_owned)
            .collect())
    }

    /// A command of apt that knows only this folder.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let options = [
            ("Dir::Etc::sourcelist", self.path("sources.list")),
            ("Dir::Etc::sourceparts", "-".into()),
            ("Dir::State::lists", self.path("lists")),
            ("Dir::State::status", "/dev/null".into()),
            ("Dir::Cache", self.path("cache")),
            // Its own user may not write here.
            ("APT::Sandbox::User", "root".into()),
            ("APT::Architecture", "amd64".into()),
            ("Acquire::Languages", "none".into()),
            (
                "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled",
                "false".into(),
            ),
        ];
        for (name, value) in options {
            command.arg("-o").arg(format!("{name}={value}"));
        }
        command
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }
}

/// The Debian mirror of this machine's apt, in apt's own words: it knows both
/// formats of its sources.
fn mirror() -> Result<String> {
    let targets = output(Command::new("apt-get").args([
        "indextargets",
        "--no-release-info",
        "--format",
        "$(REPO_URI) $(RELEASE)",
        "Created-By: Packages",
    ]))
    .context("the kernels come from Debian's archive, through apt")?;
    debian_of(&targets)
        .map(str::to_owned)
        .context("this machine's apt sources name no Debian archive, where the kernels come from")
}

fn debian_of(targets: &str) -> Option<&str> {
    targets.lines().find_map(|line| {
        let (uri, suite) = line.split_once(' ')?;
        SUITES.contains(&suite.trim()).then_some(uri)
    })
}

/// Unpacks a package file.
pub(super) fn unpack(package: &Path, folder: &Path) -> Result<()> {
    setup::need(&[Tool {
        command: "dpkg-deb",
        package: "dpkg",
    }])?;
    run(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder))
}

#[cfg(test)]
mod tests {
    use super::debian_of;

    #[test]
    fn the_mirror_is_the_one_of_a_whole_release() {
        let targets = "http://m.test/debian-security/ bookworm-security\n\
                       http://m.test/tools/ nodistro\n\
                       http://m.test/debian/ bookworm-updates\n\
                       http://m.test/debian/ bookworm\n";
        assert_eq!(debian_of(targets), Some("http://m.test/debian/"));
        assert_eq!(debian_of("http://m.test/ubuntu/ noble\n"), None);
    }
}
