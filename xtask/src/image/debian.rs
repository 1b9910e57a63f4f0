//! A small Debian or Ubuntu root file system with a few packages, from the
//! mirror that this machine uses itself.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::mirror::Mirror;
use crate::process::run;
use crate::setup::Tool;

/// What makes one.
pub const MMDEBSTRAP: Tool = Tool {
    command: "mmdebstrap",
    package: "mmdebstrap",
};

/// Not needed to run: documentation and translations.
pub const LEFT_OUT: &[&str] = &[
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/i18n/*",
];

/// What one is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder that is not there yet.
    Folder,
    /// A tar archive with fixed times: the same packages give the same one.
    Tar,
}

/// Makes one without [`LEFT_OUT`]: the packages with what they need, then each
/// of the shell commands `hooks`, whose `$1` is its folder.
pub fn install(
    mirror: &Mirror,
    packages: &[&str],
    hooks: &[String],
    (format, to): (Format, &Path),
) -> Result<()> {
    let mut command = Command::new(MMDEBSTRAP.command);
    command.args(["--quiet", "--mode=root", "--variant=essential"]);
    match format {
        Format::Folder => command.arg("--format=directory"),
        Format::Tar => command.arg("--format=tar").env("SOURCE_DATE_EPOCH", "0"),
    };
    command
        .arg(format!("--include={}", packages.join(",")))
        .arg(format!("--components={}", mirror.components))
        .args(
            LEFT_OUT
                .iter()
                .map(|path| format!("--dpkgopt=path-exclude={path}")),
        )
        .args(hooks.iter().map(|hook| format!("--customize-hook={hook}")))
        .arg(&mirror.suite)
        .arg(to)
        .arg(&mirror.uri);
    run(&mut command)
}
