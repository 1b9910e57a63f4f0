//! The command line: parse, call, print (L5).

mod agent;
mod capture;
mod cleanup;
mod doctor;
mod duration;
mod log;
mod logging;
mod output;
mod plan;
mod signals;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::model::one_line;
use logging::LogFormat;

/// An eBPF tap for the traffic of Kubernetes pods.
#[derive(Debug, Parser)]
#[command(name = "podtap", version, propagate_version = true)]
struct Arguments {
    /// How the program's own log is written.
    #[arg(long, global = true, value_enum, env = "PODTAP_LOG_FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Agent(agent::AgentArguments),
    Capture(capture::CaptureArguments),
    Cleanup(cleanup::CleanupArguments),
    Doctor(doctor::DoctorArguments),
    Plan(plan::PlanArguments),
    Log(log::LogArguments),
    Status(status::StatusArguments),
}

/// Runs the program that the command line asks for. Errors go to standard
/// error, one line each.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let log = logging::start(arguments.log_format);
    let done = |()| true;
    let outcome = match arguments.command {
        Command::Agent(arguments) => agent::run(arguments, log).map(done),
        Command::Capture(arguments) => capture::run(&arguments).map(done),
        Command::Cleanup(arguments) => cleanup::run(&arguments).map(done),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Log(arguments) => log::run(arguments).map(done),
        Command::Plan(arguments) => plan::run(arguments).map(done),
        Command::Status(arguments) => status::run(&arguments).map(done),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        // What is wrong is said on standard output.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("podtap: {}", one_line(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Prints what was asked for, such as the help; of a mistake, one line.
fn refuse(error: &clap::Error) -> ExitCode {
    let asks_for_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if asks_for_help || !error.use_stderr() {
        // A closed pipe behind `--help` is nothing to report.
        let _ = error.print();
        return if asks_for_help {
            ExitCode::from(USAGE)
        } else {
            ExitCode::SUCCESS
        };
    }
    let text = error.to_string();
    let mistake: Vec<_> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect();
    let mistake = mistake.join(" ");
    let mistake = mistake.strip_prefix("error: ").unwrap_or(&mistake);
    eprintln!("podtap: {mistake} (see --help)");
    ExitCode::from(USAGE)
}

/// Exit status for a command line that makes no sense, as tcpdump's and most
/// others'.
const USAGE: u8 = 2;
