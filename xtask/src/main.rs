//! `cargo xtask`: podtap's development commands.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::cluster::{self, Cluster, Options};
use xtask::{bench, build, chaos, demo, fuzz, image, kernels, process, scale, test};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "podtap's development commands"
)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The eBPF objects, and target/release/podtap with the objects inside.
    Build,
    /// All tests, with all the set-up that they need.
    Test {
        /// Leave out fuzzing, the cluster and the virtual machines.
        #[arg(long)]
        quick: bool,
    },
    /// Label a pod in a real cluster, and see what Suricata writes.
    Demo {
        /// Leave the cluster running.
        #[arg(long)]
        keep: bool,
        /// How often a pod is labelled to see how long its first packet takes.
        #[arg(long, default_value_t = demo::TRIES, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        tries: u32,
    },
    /// The datapath's checks on old kernels, in virtual machines.
    Kernels {
        /// Only this series, such as 5.10; may be given more than once.
        #[arg(long)]
        kernel: Vec<String>,
    },
    /// The engine on inputs that nobody thought of, under the address
    /// sanitizer.
    Fuzz {
        /// Only this target.
        #[arg(long, value_parser = fuzz::TARGETS)]
        target: Option<String>,
        /// How long each target is run.
        #[arg(long, default_value_t = fuzz::SECONDS)]
        seconds: u64,
    },
    /// Pods, agents and the API server in disorder, on a node without a
    /// cluster: what is desired stands in the end, and nothing else.
    Chaos {
        /// How long.
        #[arg(long, default_value_t = 5)]
        minutes: u64,
        /// Of a run that is to be repeated.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// What the manifests and the chart render to.
    Manifests,
    /// podtap beside tcpdump and beside nothing, in one table.
    Bench {
        /// How often all of it; a result has at least 3.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// How long each load lasts, in seconds.
        #[arg(long, default_value_t = 3)]
        seconds: u32,
        /// Only these ways to tap, and untapped.
        #[arg(long, value_delimiter = ',')]
        rows: Vec<String>,
        /// Only these columns.
        #[arg(long, value_delimiter = ',')]
        columns: Vec<String>,
        /// Write all raw values to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Measure this binary instead of building one.
        #[arg(long, value_name = "FILE")]
        podtap: Option<PathBuf>,
        /// Measure this binary too, in the same rounds: was a change worth it?
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
    /// The agent with as many pods as a node has: start, memory, what a packet
    /// costs, how soon a label has its effect.
    Scale {
        /// How many pods.
        #[arg(long, default_value_t = 250)]
        pods: u32,
        /// How often an agent is started for them; a result has at least 3.
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// How often a pod is labelled, and how often one is born.
        #[arg(long, default_value_t = 100)]
        tries: u32,
        /// Measure this binary instead of building one.
        #[arg(long, value_name = "FILE")]
        podtap: Option<PathBuf>,
    },
    /// A real Kubernetes on this computer.
    Cluster {
        #[command(subcommand)]
        action: ClusterAction,
    },
    /// kubectl for that cluster.
    #[command(disable_help_flag = true)]
    Kubectl {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The images: podtap, Suricata, and the demo's web server and client.
    Image {
        /// The static binary to put into podtap's image.
        #[arg(long, default_value = "target/release/podtap")]
        binary: PathBuf,
    },
}

#[derive(Subcommand)]
enum ClusterAction {
    /// Builds what is missing and starts it.
    Up {
        /// How many nodes.
        #[arg(long, default_value_t = Options::default().nodes)]
        nodes: u8,
    },
    /// Ends and removes everything of it.
    Down,
    /// What runs, or what is left.
    Status,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Build => drop(build::build()?),
        Task::Test { quick } => test::test(quick)?,
        Task::Manifests => test::manifests()?,
        Task::Chaos { minutes, seed } => chaos::run(minutes, seed)?,
        Task::Demo { keep, tries } => demo::demo(keep, tries)?,
        Task::Bench {
            rounds,
            seconds,
            rows,
            columns,
            json,
            podtap,
            against,
        } => bench::run(&bench::Options {
            rounds,
            seconds,
            rows,
            columns,
            json,
            podtap,
            against,
        })?,
        Task::Scale {
            pods,
            rounds,
            tries,
            podtap,
        } => scale::run(&scale::Options {
            pods,
            rounds,
            tries,
            podtap,
        })?,
        Task::Kernels { kernel } => return kernels::run(&kernel),
        Task::Fuzz { target, seconds } => {
            if let fuzz::Fuzzed::Skipped(why) = fuzz::fuzz(target.as_deref(), seconds)? {
                anyhow::bail!("skipped: {why}");
            }
        }
        Task::Cluster {
            action: ClusterAction::Up { nodes },
        } => Cluster::up(&Options { nodes }).map(drop)?,
        Task::Cluster {
            action: ClusterAction::Down,
        } => cluster::down()?,
        Task::Cluster {
            action: ClusterAction::Status,
        } => {
            std::io::stdout().write_all(cluster::status()?.as_bytes())?;
        }
        Task::Kubectl { arguments } => {
            let status =
                process::interactive(Cluster::attach()?.kubectl_command().args(arguments))?;
            return Ok(ExitCode::from(
                status
                    .code()
                    .and_then(|code| u8::try_from(code).ok())
                    .unwrap_or(1),
            ));
        }
        Task::Image { binary } => image::build_all(&binary)?,
    }
    Ok(ExitCode::SUCCESS)
}
