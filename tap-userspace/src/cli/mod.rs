//! The command line: parse, call, print (L5).

mod capture;
mod logging;
mod signals;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An eBPF tap for the traffic of Kubernetes pods.
#[derive(Debug, Parser)]
#[command(name = "podtap", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Capture(capture::CaptureArguments),
}

/// Runs the program that the command line asks for. Errors go to standard
/// error, one line each.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    logging::start();
    let outcome = match arguments.command {
        Command::Capture(arguments) => capture::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podtap: {error:#}");
            ExitCode::FAILURE
        }
    }
}
