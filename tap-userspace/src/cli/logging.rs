//! Where the program's own log goes: standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::adapter::kube::LOG_DIRECTIVES;

/// Starts it. `PODTAP_LOG` filters, in `tracing_subscriber`'s language; what
/// uses the `log` crate (the kernel programs' log among it) comes along.
pub(super) fn start() {
    let filter = EnvFilter::try_from_env("PODTAP_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("info,{LOG_DIRECTIVES}")));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
