//! `podtap status`: what the agent of this node does.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use super::output::{Output, aligned, print};
use crate::{
    adapter::socket,
    model::status::{LedgerStatus, Status},
};

/// Show what the agent of this node taps, and what became of every packet.
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Socket of the agent.
    #[arg(
        long,
        value_name = "PATH",
        env = "PODTAP_SOCKET",
        default_value = socket::DEFAULT_PATH
    )]
    socket: PathBuf,
    /// How to print it.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Asks and prints.
pub(super) fn run(arguments: &StatusArguments) -> Result<()> {
    let status = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(socket::status(&arguments.socket))?;
    let text = match arguments.output {
        Output::Json => serde_json::to_string_pretty(&status)? + "\n",
        Output::Table => table(&status)?,
    };
    print(&text)
}

fn table(status: &Status) -> Result<String> {
    let mut text = String::new();
    if status.is_waiting {
        writeln!(
            text,
            "podtap {} on {}, tap {}: waits for another agent of this node to end",
            status.version, status.node, status.tap
        )?;
        return Ok(text);
    }
    writeln!(
        text,
        "podtap {} on {}, API server {}, tap {}, metadata by {}",
        status.version, status.node, status.api, status.tap, status.metadata
    )?;
    let head = [
        "POD",
        "INTERFACE",
        "HOOK",
        "DIRECTION",
        "SEEN",
        "MIRRORED",
        "LOST",
        "DORMANT",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    for target in &status.targets {
        let rows_of = [("in", &target.received), ("out", &target.sent)]
            .into_iter()
            .filter(|(direction, _)| ["both", direction].contains(&&*target.direction));
        for (direction, ledger) in rows_of {
            let count = |name| verdict(ledger, name);
            let (mirrored, dormant) = (count("mirrored"), count("dormant"));
            let all: u64 = ledger.verdicts.values().map(|count| count.packets).sum();
            rows.push(vec![
                format!("{}/{}", target.namespace, target.pod),
                target.interface.clone(),
                target.hook.clone(),
                direction.into(),
                ledger.seen.packets.to_string(),
                mirrored.to_string(),
                (all - mirrored - dormant).to_string(),
                dormant.to_string(),
            ]);
        }
    }
    aligned(&mut text, &rows);
    if status.targets.is_empty() {
        writeln!(text, "no pod is tapped")?;
    }
    for target in &status.targets {
        writeln!(
            text,
            "{}/{} {}: {} frames made, {} on the tap, {} duplicates, {} refused by it, {} skbs left out",
            target.namespace,
            target.pod,
            target.interface,
            target.frames,
            target.delivered,
            target.duplicates,
            target.refused,
            target.left_out
        )?;
    }
    for target in status.targets.iter().filter(|target| target.is_blind) {
        writeln!(
            text,
            "{}/{} {} is blind: the interface carries packets that podtap does not see",
            target.namespace, target.pod, target.interface
        )?;
    }
    for pod in &status.refused {
        writeln!(
            text,
            "{}/{} is not tapped ({}): {}",
            pod.namespace, pod.pod, pod.reason, pod.message
        )?;
    }
    writeln!(
        text,
        "since the agent started: {} records read, {} frames on {}, {} duplicates, {} refused by it",
        status.datapath.records,
        status.datapath.delivered,
        status.tap,
        status.datapath.duplicates,
        status.datapath.refused
    )?;
    match status.tap_readers {
        Some(0) if status.is_paused => writeln!(
            text,
            "paused: nobody listens on {}, and nothing is copied until somebody does",
            status.tap
        )?,
        Some(0) => writeln!(text, "nobody listens on {}", status.tap)?,
        Some(readers) => writeln!(text, "packet sockets on {}: {readers}", status.tap)?,
        None => {}
    }
    let delay = &status.datapath.delay;
    let ms = |ns: u64| std::time::Duration::from_nanos(ns).as_secs_f64() * 1e3;
    writeln!(
        text,
        "from kernel to tap: half within {:.2} ms, 99 % within {:.2} ms, all within {:.2} ms",
        ms(delay.p50_ns),
        ms(delay.p99_ns),
        ms(delay.max_ns)
    )?;
    Ok(text)
}

fn verdict(ledger: &LedgerStatus, name: &str) -> u64 {
    ledger.verdicts.get(name).map_or(0, |count| count.packets)
}
