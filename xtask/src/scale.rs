//! `cargo xtask scale`: the agent with as many pods as a node has.
//!
//! What is measured and how it is to be read is in docs/performance.md.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, ensure};

use crate::{
    build::{self, workspace},
    process::interactive,
    setup::{self, Tool},
};

const TOOLS: [Tool; 1] = [Tool {
    command: "ip",
    package: "iproute2",
}];

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many pods.
    pub pods: u32,
    /// How often an agent is started for them.
    pub rounds: u32,
    /// How often a pod is labelled, and how often one is born.
    pub tries: u32,
    /// The podtap to be measured; built if not given.
    pub podtap: Option<PathBuf>,
}

/// Measures, and prints the table on standard output.
pub fn run(options: &Options) -> Result<()> {
    setup::require_root("tapping")?;
    setup::need(&TOOLS)?;
    let podtap = match &options.podtap {
        Some(podtap) => podtap.clone(),
        None => build::build()?,
    };
    let numbers = [options.pods, options.rounds, options.tries];
    let status = interactive(
        Command::new(env!("CARGO"))
            .current_dir(workspace())
            .args([
                "run",
                "--locked",
                "--package",
                "tests",
                "--bin",
                "scale",
                "--",
            ])
            .args(numbers.map(|number| number.to_string()))
            .env("PODTAP_BIN", podtap.canonicalize()?),
    )?;
    ensure!(status.success(), "measuring failed: {status}");
    Ok(())
}
