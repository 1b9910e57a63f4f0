//! Which modules a kernel needs for the checks, and in which order.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use super::package::Kernel;
use crate::setup::{self, Tool};

/// A module, ready to be given to the kernel.
#[derive(Debug)]
pub(super) struct Module {
    /// File name in the initramfs.
    pub(super) file: String,
    /// ELF.
    pub(super) bytes: Vec<u8>,
}

/// The modules of these names and those that they need, each after those it
/// needs itself. One that is built into the kernel is left out.
pub(super) fn read(kernel: &Kernel, names: &[&str]) -> Result<Vec<Module>> {
    let text = |file: &str| {
        let path = kernel.modules.join(file);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    order(&text("modules.dep")?, &text("modules.builtin")?, names)?
        .iter()
        .map(|path| {
            Ok(Module {
                file: format!("{}.ko", name(path)),
                bytes: decompressed(&kernel.modules.join(path))?,
            })
        })
        .collect()
}

/// Paths, out of lines like `kernel/a.ko: kernel/b.ko kernel/c.ko`, which name
/// all that a module needs, directly or not, the most needed last.
fn order<'a>(dependencies: &'a str, builtin: &str, names: &[&str]) -> Result<Vec<&'a str>> {
    let mut order = Vec::new();
    for wanted in names {
        if builtin.lines().any(|path| name(path) == *wanted) {
            continue;
        }
        let line = dependencies
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(path, _)| name(path) == *wanted);
        let Some((path, needs)) = line else {
            bail!("this kernel has no module {wanted}");
        };
        for path in needs.split_whitespace().rev().chain([path]) {
            if !order.contains(&path) {
                order.push(path);
            }
        }
    }
    Ok(order)
}

/// The module's name: its file's, without folder and endings.
fn name(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file)
}

fn decompressed(path: &Path) -> Result<Vec<u8>> {
    let tool = match path.extension().and_then(|end| end.to_str()) {
        Some("xz") => Tool {
            command: "xz",
            package: "xz-utils",
        },
        Some("zst") => Tool {
            command: "zstd",
            package: "zstd",
        },
        _ => return fs::read(path).with_context(|| path.display().to_string()),
    };
    setup::need(&[tool])?;
    // Binary: `process::output` is for text.
    let output = Command::new(tool.command).arg("-dc").arg(path).output()?;
    anyhow::ensure!(
        output.status.success(),
        "cannot decompress {}",
        path.display()
    );
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn each_module_comes_after_those_it_needs_and_once() {
        let dependencies = "k/8021q.ko.xz: k/mrp.ko.xz k/stp.ko.xz k/llc.ko.xz\n\
                            k/llc.ko.xz:\nk/bridge.ko.xz: k/stp.ko.xz k/llc.ko.xz\n";
        let order = order(dependencies, "k/veth.ko\n", &["veth", "8021q", "bridge"]).unwrap();
        assert_eq!(
            order,
            [
                "k/llc.ko.xz",
                "k/stp.ko.xz",
                "k/mrp.ko.xz",
                "k/8021q.ko.xz",
                "k/bridge.ko.xz"
            ]
        );
    }

    #[test]
    fn a_missing_module_is_named() {
        let error = order("", "", &["veth"]).unwrap_err();
        assert!(error.to_string().contains("veth"));
    }
}
