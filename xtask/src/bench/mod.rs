//! `cargo xtask bench`: podtap beside tcpdump and beside nothing, in one run.
//!
//! What is measured and how it is to be read is in docs/performance.md.

mod closing;
mod column;
mod cost;
mod datagrams;
mod kernel_time;
mod machine;
mod others;
mod phase;
mod report;
mod requests;
mod results;
mod row;
mod stage;
mod table;
mod tapping;
mod tcp;
mod traffic;

use std::{fs, io::Write as _, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail, ensure};

pub use column::{COLUMNS, Column, Kind};
pub use kernel_time::{Counting, KernelTime};
pub use machine::Machine;
pub use phase::{Measured, Phase, RowMeasured};
pub use results::{Round, Spread, open_ledgers, spread};
pub use row::{Binaries, Row};

use crate::{
    build,
    process::{output, step},
    setup::{self, Tool},
};
use report::{Report, Skipped};
use stage::Stage;

const TOOLS: [Tool; 3] = [
    Tool {
        command: "iperf3",
        package: "iperf3",
    },
    Tool {
        command: "tcpdump",
        package: "tcpdump",
    },
    Tool {
        command: "ip",
        package: "iproute2",
    },
];

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often all of it.
    pub rounds: u32,
    /// How long each load lasts.
    pub seconds: u32,
    /// Names of rows; all if empty. The untapped one is always measured.
    pub rows: Vec<String>,
    /// Names of columns; all if empty.
    pub columns: Vec<String>,
    /// Where all raw values go.
    pub json: Option<PathBuf>,
    /// The podtap to be measured; built if not given.
    pub podtap: Option<PathBuf>,
    /// Another build of podtap to be measured beside it.
    pub against: Option<PathBuf>,
}

/// Measures, prints the table on standard output, and writes the JSON.
pub fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0, "no round at all: --rounds 3 or more");
    ensure!(options.seconds > 0, "no time at all: --seconds 1 or more");
    let columns = columns(&options.columns)?;
    let rows = rows(&options.rows)?;
    setup::require_root("measuring a tap")?;
    setup::need(&TOOLS)?;
    let podtap = match &options.podtap {
        Some(podtap) => podtap.clone(),
        None => build::build()?,
    };
    let binaries = Binaries {
        podtap,
        against: options.against.clone(),
    };
    let (rows, skipped) = possible(rows, &binaries)?;
    let machine = Machine::look(&binaries.podtap)?;
    eprintln!("{}", machine.line());
    let rounds = measure(options, &binaries, &rows, &columns)?;
    let report = Report {
        options,
        machine: &machine,
        rounds: &rounds,
        rows: &rows,
        columns: &columns,
        skipped: &skipped,
    };
    std::io::stdout().write_all(report.text().as_bytes())?;
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_vec_pretty(&report.json())?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let open = open_ledgers(&rounds);
    ensure!(
        open.is_empty(),
        "podtap's ledger does not close: {}",
        open.join("; ")
    );
    Ok(())
}

/// Round after round, and in each all rows: what the machine does beside it
/// falls on all of them.
fn measure(
    options: &Options,
    binaries: &Binaries,
    rows: &[Row],
    columns: &[&Column],
) -> Result<Vec<Round>> {
    let stage = Stage::set_up()?;
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        let mut round = Round::new();
        let mut half_rate = None;
        for row in rows {
            let what = format!("round {number}: {}", row.name());
            let measured = step(&what, || {
                let mut phases = RowMeasured::new();
                for phase in wanted_phases(columns) {
                    if !phase.is_for(*row) {
                        continue;
                    }
                    let measured = phase
                        .measure(*row, binaries, &stage, options.seconds, half_rate)
                        .with_context(|| format!("{}, {}", row.name(), phase.name()))?;
                    if (*row, phase) == (Row::Untapped, Phase::Http) {
                        half_rate = Some(measured.traffic.request_rate() / 2.0);
                    }
                    phases.insert(phase.name(), measured);
                }
                Ok(phases)
            })?;
            round.insert(*row, measured);
        }
        rounds.push(round);
    }
    Ok(rounds)
}

/// Half the load is of no use without all of it.
fn wanted_phases(columns: &[&Column]) -> Vec<Phase> {
    let wanted = |phase| columns.iter().any(|column| column.phase == phase);
    Phase::ALL
        .into_iter()
        .filter(|phase| wanted(*phase) || (*phase == Phase::Http && wanted(Phase::HttpHalf)))
        .collect()
}

/// The rows that this podtap can do, and why not the others.
fn possible(rows: Vec<Row>, binaries: &Binaries) -> Result<(Vec<Row>, Vec<Skipped>)> {
    let help = output(Command::new(&binaries.podtap).args(["capture", "--help"]))?;
    let mut skipped = Vec::new();
    let mut kept = rows;
    kept.retain(|row| *row != Row::Against || binaries.against.is_some());
    if !help.contains("--segment") {
        kept.retain(|row| *row != Row::PodtapJumbo);
        skipped.push((Row::PodtapJumbo, "this podtap has no --segment"));
    }
    Ok((kept, skipped))
}

fn rows(names: &[String]) -> Result<Vec<Row>> {
    if let Some(name) = names
        .iter()
        .find(|name| Row::ALL.iter().all(|row| row.name() != *name))
    {
        bail!(
            "there is no row `{name}`: {}",
            Row::ALL.map(Row::name).join(", ")
        );
    }
    let wanted = |row: &Row| {
        names.is_empty() || *row == Row::Untapped || names.iter().any(|name| name == row.name())
    };
    Ok(Row::ALL.into_iter().filter(wanted).collect())
}

fn columns(names: &[String]) -> Result<Vec<&'static Column>> {
    if let Some(name) = names
        .iter()
        .find(|name| COLUMNS.iter().all(|column| column.name != *name))
    {
        bail!(
            "there is no column `{name}`: {}",
            COLUMNS.map(|column| column.name).join(", ")
        );
    }
    let wanted =
        |column: &&Column| names.is_empty() || names.iter().any(|name| name == column.name);
    Ok(COLUMNS.iter().filter(wanted).collect())
}
