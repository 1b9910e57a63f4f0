//! Prometheus and its promtool, of Debian's package.

use std::path::PathBuf;

use anyhow::Result;

use crate::{cluster::Layout, setup};

/// One of the package's programs: this machine's own, else one that is fetched
/// and unpacked below `target/prometheus`. Not installed: that would start a
/// service.
pub fn tool(name: &str) -> Result<PathBuf> {
    if let Some(tool) = setup::find(name) {
        return Ok(tool);
    }
    let folder = Layout::of_this_workspace()
        .workspace()
        .join("target/prometheus");
    Ok(setup::unpack("prometheus", &folder)?
        .join("usr/bin")
        .join(name))
}
