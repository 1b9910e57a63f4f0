//! `cargo xtask demo`: label a pod in a real cluster, and a stock Suricata
//! reads its traffic.
//!
//! What it shows it also checks: it is the cluster's end-to-end test.

mod audit;
mod latency;
mod pods;
mod status;
mod suricata;

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    build,
    cluster::{Cluster, Layout, Options},
    image,
    process::{step, wait_for},
};
use pods::{CLIENT, NAMESPACE, WEB};
use status::AgentPod;

/// Namespace of podtap itself, as in `manifests/base`.
const PODTAP_NAMESPACE: &str = "podtap";

/// Selects podtap's pods.
const PODTAP_SELECTOR: &str = "app.kubernetes.io/name=podtap";

/// How long anything in the cluster may take.
const LIMIT: Duration = Duration::from_secs(120);

/// How often the client is labelled, unless said otherwise.
pub const TRIES: u32 = 10;

/// The demo from nothing to nothing, or to a running cluster if `keep`; the
/// client is labelled `tries` times.
pub fn demo(keep: bool, tries: u32) -> Result<()> {
    let started = Instant::now();
    let cluster = prepare()?;
    let outcome = show(&cluster, tries);
    if keep {
        outcome?;
        eprintln!("the cluster stays: `cargo xtask kubectl …`, `cargo xtask cluster down`");
        return Ok(());
    }
    let cleaned = step("taking the cluster down", || cluster.down());
    outcome?;
    cleaned?;
    let residue = crate::cluster::residue(&Layout::of_this_workspace());
    ensure!(residue.is_empty(), "left behind:\n{}", residue.join("\n"));
    eprintln!(
        "nothing is left running or attached; {} s in all",
        started.elapsed().as_secs()
    );
    Ok(())
}

/// A cluster with podtap and Suricata running on each node.
pub fn prepare() -> Result<Cluster> {
    crate::setup::require_root("a cluster")?;
    let binary = build::build()?;
    let cluster = Cluster::up(&Options::default())?;
    let layout = Layout::of_this_workspace();
    let archives = step("building the images", || {
        Ok([
            image::agent::build(&layout, &binary)?,
            image::web::build(&layout)?,
            image::suricata::build(&layout)?,
        ])
    })?;
    for archive in &archives {
        import(&cluster, archive)?;
    }
    if !cluster
        .kubectl(&["get", "namespace", PODTAP_NAMESPACE, "--ignore-not-found"])?
        .is_empty()
    {
        // It would go on with the old image, and the old logs.
        step("removing the podtap of an earlier run", || {
            cluster.delete_kustomize(&overlay())
        })?;
    }
    step("starting a web pod and a client", || {
        pods::start(&cluster)?;
        cluster.wait_for_pods(NAMESPACE, "demo", LIMIT)
    })?;
    step("kubectl apply -k manifests/overlays/suricata", || {
        cluster.apply_kustomize(&overlay())?;
        cluster.wait_for_pods(PODTAP_NAMESPACE, PODTAP_SELECTOR, LIMIT)
    })?;
    Ok(cluster)
}

fn import(cluster: &Cluster, archive: &PathBuf) -> Result<()> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let size = image::size(fs::metadata(archive)?.len());
    step(&format!("importing {name} ({size}) on every node"), || {
        cluster.import_image(archive)
    })
}

/// Where the overlay with Suricata is.
fn overlay() -> PathBuf {
    build::workspace().join("manifests/overlays/suricata")
}

/// The demo proper.
fn show(cluster: &Cluster, tries: u32) -> Result<()> {
    let web_ip = pods::ip(cluster, WEB)?;
    let agent = AgentPod::on_node_of(cluster, WEB)?;
    let client_agent = AgentPod::on_node_of(cluster, CLIENT)?;
    agent.expect_untapped(cluster)?;
    client_agent.expect_untapped(cluster)?;

    let packets = pods::SteadyPackets::start(cluster, &web_ip, LIMIT * (1 + tries))?;
    let labelled = step("kubectl label pod web podtap.dev/tap=true", || {
        latency::one(cluster, &agent)
    });
    let labelled_often = step(&format!("labelling the client {tries} times"), || {
        latency::measure(cluster, &client_agent, tries)
    });
    packets.stop()?;
    let (labelled, labelled_often) = (labelled?, labelled_often?);

    step(
        "downloading 10,240,000 bytes, and a page that is not there",
        || pods::download(cluster, &web_ip),
    )?;
    let log = step("waiting for Suricata's log", || {
        wait_for("Suricata's http events", LIMIT, || {
            let log = suricata::read(cluster, agent.name())?;
            Ok(log.has_download_and_missing_page(&web_ip).then_some(log))
        })
    })?;
    let faults = step("waiting for Suricata's counters", || {
        suricata::faults_of_all(cluster, &agent, LIMIT)
    })?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nSuricata's http events:\n{}", log.table(cluster)?)?;
    writeln!(
        out,
        "Suricata counted every frame that podtap put on podtap0: {faults}\n"
    )?;
    writeln!(
        out,
        "label at the API server -> first packet mirrored: web {}; client, {labelled_often}",
        latency::ms(labelled.first_frame)
    )?;
    writeln!(out, "\npodtap status:\n{}", agent.status_table(cluster)?)?;
    faults.expect_none()?;
    agent.expect_closed_ledger(cluster)?;

    step("taking the label away: nothing more may arrive", || {
        pods::label(cluster, WEB, "podtap.dev/tap-")?;
        agent.wait_until_untapped(cluster, LIMIT)?;
        let before = agent.delivered(cluster)?;
        pods::download(cluster, &web_ip)?;
        let after = agent.delivered(cluster)?;
        ensure!(
            before == after,
            "{} frames arrived after the label was gone",
            after - before
        );
        Ok(())
    })?;
    writeln!(
        out,
        "Events on the web pod:\n{}",
        pods::events(cluster, WEB)?
    )?;
    Ok(())
}
