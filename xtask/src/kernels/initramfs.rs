//! The whole system that a kernel boots into: one program, the eBPF objects,
//! a few modules.

use std::fs;

use anyhow::{Context as _, Result};

use super::{MODULES, cpio::Cpio, ladder::Ladder, modules, package::Kernel};

/// `console` in Documentation/admin-guide/devices.txt.
const CONSOLE: (u32, u32) = (5, 1);

/// The archive's bytes.
pub(super) fn build(kernel: &Kernel, ladder: &Ladder) -> Result<Vec<u8>> {
    let read = |path: &std::path::Path| {
        fs::read(path).with_context(|| format!("reading {}", path.display()))
    };
    let mut cpio = Cpio::default();
    for folder in ["dev", "bpf", "modules"] {
        cpio.folder(folder);
    }
    // An init without it has no standard output.
    cpio.device("dev/console", CONSOLE);
    cpio.executable("init", &read(&ladder.binary)?);
    for name in ["classifier", "drop"] {
        cpio.file(&format!("bpf/{name}"), &read(&ladder.objects.join(name))?);
    }
    let mut order = String::new();
    for module in modules::read(kernel, &MODULES)? {
        let path = format!("modules/{}", module.file);
        cpio.file(&path, &module.bytes);
        order.push_str(&format!("/{path}\n"));
    }
    cpio.file("modules.load", order.as_bytes());
    Ok(cpio.finish())
}
