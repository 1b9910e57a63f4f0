//! Where the program's own log goes: standard error.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, registry};

use crate::adapter::{kube::LOG_DIRECTIVES, log_filter::LogFilter};

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Starts it. `PODTAP_LOG` filters, in `tracing_subscriber`'s language; what
/// uses the `log` crate (the kernel programs' log among it) comes along.
pub(super) fn start(format: LogFormat) -> LogFilter {
    let filter = EnvFilter::try_from_env("PODTAP_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("info,{LOG_DIRECTIVES}")));
    let (filter, handle) = LogFilter::new(filter);
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    registry().with(filter).with(lines).init();
    handle
}
