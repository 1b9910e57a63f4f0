//! `cargo xtask fuzz`: the targets of `tests/fuzz`, each for a bounded time,
//! under the address sanitizer.
//!
//! What is found beyond the corpus of the repository is kept in
//! `target/fuzz-corpus` for the next run; an input that fails is kept in
//! `tests/fuzz/artifacts`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    build::workspace,
    process::{output, run, step},
    setup::{self, Tool},
};

/// The names of the targets, in the order in which they are run.
pub const TARGETS: [&str; 7] = [
    "headers",
    "decode",
    "segment",
    "duplicates",
    "checksum",
    "pcapng",
    "filter",
];

/// How long each of them is run by `cargo xtask test`, in seconds.
pub const SECONDS: u64 = 20;

const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// What libFuzzer is compiled with.
const COMPILER: Tool = Tool {
    command: "c++",
    package: "g++",
};

/// An input that takes longer is as good as one that never ends.
const INPUT_SECONDS: u64 = 10;

/// The longest input that is tried, in bytes. Super-frames of 64 KiB are in the
/// corpus, which [`corpus`] runs; changing them at random finds a tenth in the
/// same time.
const INPUT_BYTES: u64 = 8192;

/// How much of a failed run's output is shown: the panic, or the sanitizer's
/// report, and where it was.
const SHOWN_LINES: usize = 25;

/// What came of it.
#[derive(Debug)]
#[must_use]
pub enum Fuzzed {
    /// All targets ran, and nothing failed.
    Clean,
    /// Nothing ran, for want of this.
    Skipped(String),
}

/// Runs one target or all.
///
/// # Errors
/// When a target does not build, or an input fails.
pub fn fuzz(only: Option<&str>, seconds: u64) -> Result<Fuzzed> {
    let cargo_fuzz = match find() {
        Ok(found) => found,
        Err(error) => return Ok(Fuzzed::Skipped(format!("{error:#}"))),
    };
    setup::need(&[COMPILER])?;
    for target in TARGETS {
        if only.is_none_or(|only| only == target) {
            step(&format!("building the fuzz target {target}"), || {
                run(cargo_fuzz.command("build").arg(target))
            })?;
            fuzz_one(&cargo_fuzz, target, seconds)?;
        }
    }
    Ok(Fuzzed::Clean)
}

/// Runs each input of the repository's corpus once, without sanitizer and
/// fuzzer: it works with any toolchain.
///
/// # Errors
/// When one fails.
pub fn corpus() -> Result<()> {
    setup::need(&[COMPILER])?;
    step("the fuzz targets' corpus", || {
        run(Command::new(env!("CARGO"))
            .current_dir(workspace())
            .args(["test", "--locked", "--lib"])
            .args(["--manifest-path", "tests/fuzz/Cargo.toml"])
            .args(["--target-dir", "target/fuzz", "corpus"]))
    })
}

/// cargo-fuzz and the toolchain that knows sanitizers.
struct CargoFuzz {
    /// The folder of the command.
    folder: PathBuf,
}

impl CargoFuzz {
    /// A command of it, free of what the cargo that runs this program told its
    /// children.
    fn command(&self, name: &str) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.folder.clone()).chain(std::env::split_paths(&path));
        let mut command = nightly("cargo");
        command
            .current_dir(workspace())
            .args(["fuzz", name, "--fuzz-dir", "tests/fuzz"])
            .args(["--target-dir", "target/fuzz", "--sanitizer", "address"]);
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
        command
    }
}

fn nightly(command: &str) -> Command {
    let mut rustup = Command::new("rustup");
    rustup.args(["run", "nightly", command]);
    for name in [
        "CARGO",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ] {
        rustup.env_remove(name);
    }
    rustup
}

/// cargo-fuzz below `target/tools`, built there if need be.
fn find() -> Result<CargoFuzz> {
    output(nightly("rustc").arg("--version"))
        .context("sanitizers need rustup's nightly: `rustup toolchain install nightly`")?;
    let root = workspace().join(format!("target/tools/cargo-fuzz-{CARGO_FUZZ_VERSION}"));
    let folder = root.join("bin");
    if !folder.join("cargo-fuzz").is_file() {
        step(&format!("building cargo-fuzz {CARGO_FUZZ_VERSION}"), || {
            run(Command::new(env!("CARGO"))
                .args(["install", "cargo-fuzz", "--locked", "--root"])
                .arg(&root)
                .args(["--version", CARGO_FUZZ_VERSION])
                .env_remove("RUSTFLAGS")
                .env_remove("CARGO_ENCODED_RUSTFLAGS")
                .env_remove("CARGO_TARGET_DIR"))
        })
        .with_context(|| {
            let root = root.display();
            format!(
                "install it: `cargo install cargo-fuzz --locked \
                 --version {CARGO_FUZZ_VERSION} --root {root}`"
            )
        })?;
    }
    Ok(CargoFuzz { folder })
}

fn fuzz_one(cargo_fuzz: &CargoFuzz, target: &str, seconds: u64) -> Result<()> {
    let root = workspace();
    let found = root.join("target/fuzz-corpus").join(target);
    fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
    let log = root.join(format!("target/fuzz-corpus/{target}.log"));
    let file = File::create(&log).with_context(|| log.display().to_string())?;
    let mut command = cargo_fuzz.command("run");
    command
        .arg(target)
        // New inputs go into the first folder.
        .arg(&found)
        .arg(root.join("tests/fuzz/corpus").join(target))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-max_len={INPUT_BYTES}"))
        .arg("-print_final_stats=1")
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    step(&format!("fuzzing {target}"), || {
        let status = command.status().context("rustup run nightly cargo fuzz")?;
        if !status.success() {
            bail!(
                "{status}; all of it is in {}\n{}",
                log.display(),
                cause(&read(&log)?)
            );
        }
        Ok(())
    })?;
    let runs = runs(&read(&log)?).context("a fuzz run that says no number")?;
    eprintln!("          {runs} inputs, none failed");
    Ok(())
}

/// What a failed run was about, and the file that has its input.
fn cause(log: &str) -> String {
    let is_cause = |line: &&str| line.contains("panicked at") || line.contains("ERROR: ");
    let lines: Vec<_> = log.lines().collect();
    let first = lines.iter().position(is_cause);
    let shown = lines.iter().skip(first.unwrap_or(0)).take(SHOWN_LINES);
    let kept = lines
        .iter()
        .filter(|line| line.contains("Test unit written to"));
    let short = |line: &&str| line.chars().take(400).collect::<String>();
    shown.chain(kept).map(short).collect::<Vec<_>>().join("\n")
}

/// Inputs are printed too: it need not be text.
fn read(log: &Path) -> Result<String> {
    let bytes = fs::read(log).with_context(|| log.display().to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How many inputs libFuzzer says that it ran.
fn runs(log: &str) -> Option<u64> {
    let line = |line: &str| {
        line.strip_prefix("stat::number_of_executed_units:")?
            .trim()
            .parse()
            .ok()
    };
    log.lines().find_map(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_inputs_is_read() {
        let log = "#2\tINITED\nDone 3 runs\nstat::number_of_executed_units: 4711\n";
        assert_eq!(runs(log), Some(4711));
        assert_eq!(runs("stat::peak_rss_mb: 5\n"), None);
    }

    #[test]
    fn a_failure_shows_its_cause_and_its_input() {
        let log = "Loaded 1 module\nthread panicked at src/x.rs:1:1:\nwhy\n\
                   MS: 1; Test unit written to artifacts/crash-1\n";
        let shown = cause(log);
        assert!(!shown.contains("Loaded"), "{shown}");
        assert!(
            shown.contains("why") && shown.contains("crash-1"),
            "{shown}"
        );
    }

    #[test]
    fn each_target_has_a_program_and_a_corpus() {
        let folder = workspace().join("tests/fuzz");
        let names = |folder: PathBuf| {
            let mut names: Vec<_> = fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned())
                .collect();
            names.sort();
            names
        };
        let mut targets = TARGETS.to_vec();
        targets.sort_unstable();
        assert_eq!(names(folder.join("fuzz_targets")), targets);
        assert_eq!(names(folder.join("corpus")), targets);
    }
}
