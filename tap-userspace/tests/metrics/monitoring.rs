//! What is made of the metrics: alert rules and a dashboard. With `promtool`,
//! which Debian's package `prometheus` brings and `cargo xtask test` fetches;
//! `PODTAP_PROMTOOL` says where another one is.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tap_userspace::agent::metrics::{Labels, render};

use crate::{snapshot::filled, table::documented};

const ALERTS: &str = include_str!("../../../manifests/components/monitoring/alerts.yaml");
const DASHBOARD: &str = include_str!("../../../manifests/components/monitoring/dashboard.json");
const ALERT_TESTS: &str = include_str!("alerts.test.yaml");

/// Runs promtool, with `input` for its standard input; nothing where it is not
/// installed.
fn promtool(arguments: &[&str], input: &str) -> Option<Output> {
    let program = std::env::var_os("PODTAP_PROMTOOL").unwrap_or_else(|| "promtool".into());
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: promtool is not there; Debian's package prometheus brings it");
            return None;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    let mut stdin = child.stdin.take().expect("its standard input");
    stdin.write_all(input.as_bytes()).expect("to write");
    drop(stdin);
    Some(child.wait_with_output().expect("its end"))
}

fn assert_taken(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// The alerts as Prometheus reads them: what is below the object's `spec`.
fn rules() -> String {
    let (_, spec) = ALERTS.split_once("\nspec:\n").expect("a spec");
    let lines = spec
        .lines()
        .map(|line| line.strip_prefix("  ").expect("two spaces"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every query of the dashboard, its variables filled in.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array());
    let queries: Vec<_> = targets
        .flatten()
        .map(|target| target["expr"].as_str().expect("a query"))
        .map(|query| {
            query
                .replace("$__rate_interval", "5m")
                .replace("$node", ".*")
        })
        .collect();
    assert!(queries.len() >= panels.len(), "a panel without a query");
    queries
}

/// Every name of ours in a text, that of the series' family.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("podtap_"));
    let family = |word: &str| {
        let histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| word.strip_suffix(suffix));
        histogram.unwrap_or(word).to_owned()
    };
    ours.map(family).collect()
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let table = documented();
    let mut asked = names(&rules());
    asked.extend(names(DASHBOARD));
    for name in &asked {
        assert!(table.contains_key(name), "{name} is not in docs/metrics.md");
    }
    assert!(asked.len() > 10, "{asked:?}");
}

#[test]
fn the_page_passes_promtools_check() {
    let text = render(filled(), Labels::ByPod).expect("text");
    // promtool reads the older text format, in which a counter's family has the
    // name of its samples, and nothing marks the end.
    let mut counters = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(" counter") {
            counters.insert(name.trim_start_matches("# TYPE "));
        }
    }
    let older = |line: &str| {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(name) => {
                format!("# {what} {name}_total {rest}\n")
            }
            _ if line == "# EOF" => String::new(),
            _ => format!("{line}\n"),
        }
    };
    let older: String = text.lines().map(older).collect();
    if let Some(output) = promtool(&["check", "metrics"], &older) {
        assert_taken(&output);
        let said = [output.stdout, output.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&said), "", "something to improve");
    }
}

#[test]
fn alerts_and_queries_are_promql() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorded = queries()
        .into_iter()
        .enumerate()
        .map(|(number, query)| {
            let query = serde_json::to_string(&query).expect("JSON");
            format!("  - record: panel:number:{number}\n    expr: {query}\n")
        })
        .collect::<String>();
    let queries = format!("groups:\n- name: dashboard\n  rules:\n{recorded}");
    for (name, rules) in [("alerts.yaml", rules()), ("queries.yaml", queries)] {
        let path = folder.path().join(name);
        fs::write(&path, &rules).expect("a file");
        let path = path.to_string_lossy();
        let Some(output) = promtool(&["check", "rules", "--lint-fatal", &path], "") else {
            return;
        };
        assert_taken(&output);
    }
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rules.yaml"), rules()).expect("a file");
    let tests = folder.path().join("tests.yaml");
    fs::write(&tests, ALERT_TESTS).expect("a file");
    if let Some(output) = promtool(&["test", "rules", &tests.to_string_lossy()], "") {
        assert_taken(&output);
    }
    let alerts = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    for alert in alerts {
        let tested = format!("alertname: {alert}\n");
        assert!(ALERT_TESTS.contains(&tested), "{alert} has no test");
    }
}
