//! A real Prometheus asks the agents, with podtap's own alert rules.
//!
//! prometheus-operator is not there: its PodMonitor and PrometheusRule are
//! left out, and a configuration made of them by hand takes their place. All
//! else of `manifests/overlays/monitoring` is applied.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use xtask::{build::workspace, cluster::Cluster, process::wait_for};

use crate::{
    LIMIT, agent::Agent, namespace::Namespace, prometheus::Prometheus, suricata::Suricata,
    traffic::Client,
};

/// How long what fires must have been so, in the place of minutes.
const FOR: &str = "5s";

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_prometheus_reads_the_agents_and_an_alert_fires_and_ends() -> Result<()> {
    let cluster = Cluster::attach()?;
    let binary = match xtask::prometheus::tool("prometheus") {
        Ok(binary) => binary,
        Err(error) => {
            eprintln!("skipped: {error:#}");
            return Ok(());
        }
    };
    let namespace = Namespace::new(&cluster, "prometheus")?;
    let node = &cluster.nodes()[0];
    let monitored = Monitored::new(&cluster)?;
    let (agent, suricata) = (Agent::of(node), Suricata::of(node));
    let web = namespace.web("web", &[("podtap.dev/tap", "true")])?;
    agent.tapped(&web)?;
    let steady = Client::on(node.machine()).steadily(&web);
    let config = config(&cluster)?;
    let prometheus = Prometheus::start(&cluster, &binary, &config, &rules()?)?;

    // Both answer, and each series says whose it is.
    wait_for("both agents to be up", LIMIT, || {
        let up = prometheus.query(r#"up{job="podtap"} == 1"#)?;
        ensure!(up.len() == cluster.nodes().len(), "up are {up:?}");
        Ok(Some(()))
    })?;
    for node in cluster.nodes() {
        let name = node.name();
        let query = format!(r#"podtap_ready{{node="{name}",job="podtap"}} == 1"#);
        ensure!(prometheus.query(&query)?.len() == 1, "{query}");
    }
    let seen = format!(
        r#"podtap_pod_seen_skbs_total{{node="{}",namespace="{}",pod="web",direction="in"}}"#,
        node.name(),
        namespace.name()
    );
    wait_for("the pod's packets", LIMIT, || {
        let series = prometheus.query(&seen)?;
        let [(_, count)] = series.as_slice() else {
            anyhow::bail!("{seen}: {series:?}");
        };
        Ok((*count > 0.0).then_some(()))
    })?;
    for query in panels()? {
        wait_for(&format!("a panel's series: {query}"), LIMIT, || {
            Ok((!prometheus.query(&query)?.is_empty()).then_some(()))
        })?;
    }
    steady.finish()?;

    // A sensor that is gone is what nobody would notice otherwise.
    const ALERT: &str = "PodtapTapUnread";
    // The sensors have just been started anew.
    wait_for("no alert", LIMIT, || {
        Ok(prometheus.firing(ALERT)?.is_empty().then_some(()))
    })?;
    let away = suricata.take_away(&cluster, agent.pod(&cluster)?)?;
    let firing = wait_for("the alert", LIMIT, || {
        let firing = prometheus.firing(ALERT)?;
        Ok((!firing.is_empty()).then_some(firing))
    })?;
    assert_eq!(firing.len(), 1, "{firing:?}");
    assert_eq!(firing[0]["labels"]["node"], node.name());
    assert_eq!(firing[0]["labels"]["severity"], "critical");
    let deaf = format!(r#"podtap_tap_readers{{node="{}"}} == 0"#, node.name());
    assert_eq!(prometheus.query(&deaf)?.len(), 1);
    drop(away);
    wait_for("the alert's end", LIMIT, || {
        Ok(prometheus.firing(ALERT)?.is_empty().then_some(()))
    })?;
    drop(prometheus);
    monitored.end()
}

/// What the PodMonitor says, of the agents that there are now.
fn config(cluster: &Cluster) -> Result<String> {
    let mut config = String::from(
        "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n\
         rule_files: [rules.yaml]\n\
         scrape_configs:\n\
         - job_name: podtap\n  \
           honor_labels: true\n  \
           static_configs:\n",
    );
    for node in cluster.nodes() {
        let pod = Agent::of(node).pod(cluster)?;
        let ip = "jsonpath={.status.podIP}";
        let ip = cluster.kubectl(&["get", "pod", &pod, "-n", "podtap", "-o", ip])?;
        let node = node.name();
        config += &format!("  - {{targets: [\"{ip}:9555\"], labels: {{node: {node}}}}}\n");
    }
    Ok(config)
}

/// The alerts of the PrometheusRule, each [`FOR`] much less time.
fn rules() -> Result<String> {
    let path = workspace().join("manifests/components/monitoring/alerts.yaml");
    let text = fs::read_to_string(path)?;
    let (_, spec) = text.split_once("\nspec:\n").context("no spec")?;
    let line = |line: &str| match line.split_once("for: ") {
        Some((before, _)) if before.trim().is_empty() => format!("{before}for: {FOR}\n"),
        _ => format!("{line}\n"),
    };
    let spec: String = spec.lines().map(line).collect();
    ensure!(spec.contains(&format!("for: {FOR}\n")), "{spec}");
    // Below `spec` it is two spaces in.
    let lines = spec
        .lines()
        .map(|line| line.strip_prefix("  ").unwrap_or(line));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The dashboard's queries, but for those that are about trouble.
fn panels() -> Result<Vec<String>> {
    let path = workspace().join("manifests/components/monitoring/dashboard.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array());
    let queries = targets.flatten().map(|target| {
        let query = target["expr"].as_str().context("no query")?;
        Ok(query
            .replace("$__rate_interval", "30s")
            .replace("$node", ".*"))
    });
    let queries: Vec<_> = queries.collect::<Result<_>>()?;
    Ok(queries
        .into_iter()
        .filter(|query| !query.contains("> 0"))
        .collect())
}

/// The agents serve their pages as long as this lives.
struct Monitored<'a> {
    cluster: &'a Cluster,
    is_on: bool,
}

impl<'a> Monitored<'a> {
    fn new(cluster: &'a Cluster) -> Result<Self> {
        let this = Self {
            cluster,
            is_on: true,
        };
        let overlay = workspace().join("manifests/overlays/monitoring");
        let overlay = overlay.to_str().context("a path that is no text")?;
        let rendered = cluster.kubectl(&["kustomize", overlay])?;
        let ours = rendered
            .split("\n---\n")
            .filter(|object| !object.contains("apiVersion: monitoring.coreos.com/"));
        cluster.apply(&ours.collect::<Vec<_>>().join("\n---\n"))?;
        this.wait()?;
        Ok(this)
    }

    /// They no longer do; all is as it was when this returns.
    fn end(mut self) -> Result<()> {
        self.turn_off()?;
        self.wait()
    }

    fn turn_off(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_on) {
            let overlay = workspace().join("manifests/overlays/suricata");
            self.cluster.apply_kustomize(&overlay)?;
            let dashboard = ["delete", "configmap", "podtap-dashboard", "-n", "podtap"];
            self.cluster.kubectl(&dashboard)?;
        }
        Ok(())
    }

    /// Its probes are asked on the way.
    fn wait(&self) -> Result<()> {
        let status = ["rollout", "status", "-n", "podtap", "daemonset/podtap"];
        let limit = ["--timeout=180s"];
        self.cluster.kubectl(&[&status[..], &limit].concat())?;
        // Those that were replaced may be on their way out.
        wait_for("one agent a node", LIMIT, || {
            for node in self.cluster.nodes() {
                Agent::of(node).pod(self.cluster)?;
            }
            Ok(Some(()))
        })
    }
}

impl Drop for Monitored<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.turn_off() {
            eprintln!("the agents serve on: {error:#}");
        }
    }
}
