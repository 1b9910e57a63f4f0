//! What runs, for people.

use std::fmt::Write as _;

use anyhow::Result;

use super::Cluster;
use super::layout::Layout;
use super::residue::residue;
use crate::setup::require_root;

/// Says whether a cluster runs, how to reach it, or what is left of one.
pub fn status() -> Result<String> {
    require_root("cargo xtask cluster")?;
    let layout = Layout::of_this_workspace();
    let mut text = String::new();
    match Cluster::attach() {
        Ok(cluster) => {
            writeln!(text, "up")?;
            writeln!(
                text,
                "kubeconfig  {} (used by `cargo xtask kubectl`)",
                layout.kubeconfig().display()
            )?;
            writeln!(text, "audit log   {}", layout.audit_log().display())?;
            for node in cluster.nodes() {
                let pid = node.machine().pid();
                writeln!(
                    text,
                    "{:<11} {}, pods {}, `nsenter -t {pid} -a`",
                    node.name(),
                    node.ip(),
                    node.pods()
                )?;
            }
            match cluster.check() {
                Ok(()) => writeln!(text, "all nodes are ready")?,
                Err(error) => writeln!(text, "not ready: {error:#}")?,
            }
        }
        Err(why) => {
            let left = residue(&layout);
            if left.is_empty() {
                writeln!(text, "down")?;
            } else {
                writeln!(text, "{why:#}")?;
                writeln!(text, "left (`cargo xtask cluster down` removes it):")?;
                left.iter()
                    .try_for_each(|line| writeln!(text, "  {line}"))?;
            }
        }
    }
    Ok(text)
}
