//! `podtap doctor`: whether podtap can work on this node, and what to do if not.

use std::{num::NonZeroU32, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use super::{
    agent::host_name,
    output::{Output, aligned, print},
};
use crate::{
    agent::doctor::{examine_api, examine_node},
    model::finding::{Finding, Outcome},
};

/// Check what podtap needs on this node, a line each: ok, warn or fail, what
/// was found, and what to do. Nothing stays behind. The exit status is 1 if a
/// check failed.
#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    /// Where the node's proc file system is.
    #[arg(
        long,
        env = "PODTAP_PROC",
        value_name = "DIRECTORY",
        default_value = "/proc"
    )]
    proc: PathBuf,
    /// bpf file system of the node, if taps shall be pinned there.
    #[arg(long, env = "PODTAP_BPFFS", value_name = "DIRECTORY")]
    bpffs: Option<PathBuf>,
    /// Size of the ring that the agent shall have.
    #[arg(
        long,
        value_name = "BYTES",
        env = "PODTAP_RING_BYTES",
        default_value = "67108864"
    )]
    ring_bytes: NonZeroU32,
    /// Name of this node in Kubernetes; the machine's own if not given.
    #[arg(long, env = "PODTAP_NODE")]
    node: Option<String>,
    /// Kubeconfig file; in a pod, its service account if not given.
    #[arg(long, value_name = "FILE", env = "PODTAP_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Leave the API server out, and take what only finding pods needs
    /// lightly: for captures by --netns and --pid.
    #[arg(long)]
    no_api: bool,
    /// How to print it.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Checks and prints; whether no check failed.
pub(super) fn run(arguments: DoctorArguments) -> Result<bool> {
    let finds_pods = !arguments.no_api;
    let mut findings = examine_node(
        &arguments.proc,
        arguments.bpffs.as_deref(),
        arguments.ring_bytes,
        finds_pods,
    );
    if !arguments.no_api {
        let node = arguments.node.map_or_else(host_name, Ok)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        findings.extend(runtime.block_on(examine_api(arguments.kubeconfig, &node)));
        // Nothing that still looks a name up keeps it from ending.
        runtime.shutdown_background();
    }
    print(&match arguments.output {
        Output::Json => serde_json::to_string_pretty(&findings)? + "\n",
        Output::Table => table(&findings),
    })?;
    let failed = |finding: &Finding| finding.outcome == Outcome::Fail;
    Ok(!findings.iter().any(failed))
}

fn table(findings: &[Finding]) -> String {
    let rows: Vec<_> = findings
        .iter()
        .map(|finding| {
            let found = match &finding.advice {
                Some(advice) => format!("{} -> {advice}", finding.found),
                None => finding.found.clone(),
            };
            vec![finding.outcome.to_string(), finding.check.into(), found]
        })
        .collect();
    let mut text = String::new();
    aligned(&mut text, &rows);
    text
}

#[cfg(test)]
mod tests {
    use super::{Finding, table};

    #[test]
    fn a_check_is_one_line_with_what_to_do_at_its_end() {
        let text = table(&[
            Finding::ok("kernel", "Linux 6.1"),
            Finding::fail("tun device", "not there", "load the module tun"),
        ]);
        assert_eq!(
            text,
            "ok    kernel      Linux 6.1\n\
             fail  tun device  not there -> load the module tun\n"
        );
    }
}
