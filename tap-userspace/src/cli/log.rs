//! `podtap log`: what the agent of this node logs, changed while it runs.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::adapter::socket;

/// Change what the agent of this node logs, until it is changed again.
#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// A level (error, warn, info, debug, trace, off), or levels by target, as
    /// in `info,tap_userspace::agent=debug`; what the agent was started with
    /// if not given.
    directives: Option<String>,
    /// Socket of the agent.
    #[arg(long, value_name = "PATH", env = "PODTAP_SOCKET", default_value = socket::DEFAULT_PATH)]
    socket: PathBuf,
}

/// Asks, and says what is in force.
pub(super) fn run(arguments: LogArguments) -> Result<()> {
    let LogArguments { directives, socket } = arguments;
    let in_force = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(socket::set_log(&socket, directives))?;
    eprintln!("the agent logs {in_force}");
    Ok(())
}
