//! `podtap cleanup`: removes what agents have left on a node.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::adapter::bpf::{DEFAULT_BPFFS, Pins};

/// Remove what agents that are gone have left on this node: pinned taps and
/// the maps they share. Nothing else is touched.
#[derive(Debug, Args)]
pub(super) struct CleanupArguments {
    /// bpf file system of the node.
    #[arg(
        long,
        value_name = "DIRECTORY",
        env = "PODTAP_BPFFS",
        default_value = DEFAULT_BPFFS
    )]
    bpffs: PathBuf,
}

/// Removes, and says what there was.
pub(super) fn run(arguments: &CleanupArguments) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "cleaning up needs root: run it with sudo"
    );
    let taps = Pins::remove_all(&arguments.bpffs)?;
    writeln!(io::stdout(), "{taps} taps of former agents removed")
        .context("cannot write to standard output")
}
