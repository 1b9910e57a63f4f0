//! Helm's chart, beside what it stands for.

use anyhow::Result;
use serde_json::json;
use xtask::process::output;

use crate::{
    BASE, POLICY, SURICATA, ZEEK,
    objects::{Objects, helm_template},
};

#[test]
fn the_chart_renders_to_the_same_objects_as_base_and_overlays() -> Result<()> {
    for (folder, values) in [
        (BASE, &[][..]),
        (SURICATA, &["sensor=suricata"]),
        (ZEEK, &["sensor=zeek"]),
    ] {
        let kustomize = Objects::of_kustomize(folder)?.with_sorted_volumes();
        let chart = Objects::of_chart(values)?.with_sorted_volumes();
        assert_eq!(chart.names(), kustomize.names(), "{folder}");
        for name in chart.names() {
            assert_eq!(chart.get(name)?, kustomize.get(name)?, "{folder}: {name}");
        }
    }
    Ok(())
}

#[test]
fn the_charts_policy_is_that_of_the_overlay() -> Result<()> {
    let base = Objects::of_kustomize(BASE)?;
    let policy = Objects::of_kustomize(POLICY)?;
    let chart = Objects::of_chart(&["policy=true"])?;
    let mut names = [base.names(), policy.names()].concat();
    names.sort_unstable();
    assert_eq!(chart.names(), names);
    for name in policy.names() {
        assert_eq!(chart.get(name)?, policy.get(name)?, "{name}");
    }
    Ok(())
}

#[test]
fn values_reach_the_objects() -> Result<()> {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let chart = Objects::of_chart(&[
        "sensor=suricata",
        "tap=tap7",
        "image.repository=registry.example/podtap",
        &format!("image.digest={digest}"),
        "settings.PODTAP_SEGMENT=jumbo",
        "settings.PODTAP_KEEP_DUPLICATES=true",
        "extraArgs={--ring-bytes=134217728}",
        "maxSurge=1",
        "networkPolicy=false",
        "priorityClass.create=false",
        "priorityClass.name=system-node-critical",
    ])?;
    let containers = chart.containers()?;
    let (agent, suricata) = (containers["agent"], containers["suricata"]);
    assert_eq!(agent["image"], format!("registry.example/podtap@{digest}"));
    let arguments = json!([
        "agent",
        "--tap",
        "tap7",
        "--proc",
        "/host/proc",
        "--ring-bytes=134217728"
    ]);
    assert_eq!(agent["args"], arguments);
    assert!(suricata["args"].to_string().contains("--af-packet=tap7"));
    let config = chart.get("ConfigMap podtap/suricata")?["data"]["podtap.yaml"].to_string();
    assert!(
        config.contains("- interface: tap7") && !config.contains("podtap0"),
        "{config}"
    );
    let settings = &chart.get("ConfigMap podtap/podtap-settings")?["data"];
    assert_eq!(
        settings,
        &json!({"PODTAP_SEGMENT": "jumbo", "PODTAP_KEEP_DUPLICATES": "true"})
    );
    assert_eq!(chart.pod()?["priorityClassName"], "system-node-critical");
    for absent in ["NetworkPolicy podtap/podtap", "PriorityClass /podtap"] {
        assert!(!chart.names().contains(&absent), "{absent}");
    }
    Ok(())
}

#[test]
fn everything_goes_to_the_namespace_that_is_asked_for() -> Result<()> {
    let chart = Objects::of_chart(&["namespace.name=watch", "namespace.create=false"])?;
    for name in chart.names() {
        let (_, place) = name.split_once(' ').unwrap_or_default();
        assert!(
            place.starts_with('/') || place.starts_with("watch/"),
            "{name}"
        );
        if name.contains("Binding") {
            assert_eq!(chart.get(name)?["subjects"][0]["namespace"], "watch");
        }
    }
    assert!(
        !chart
            .names()
            .iter()
            .any(|name| name.starts_with("Namespace "))
    );
    Ok(())
}

/// A changed setting is a changed pod: else the agents would go on with the
/// old one until they happen to restart.
#[test]
fn a_changed_setting_restarts_the_agents() -> Result<()> {
    let name = |values: &[&str]| -> Result<String> {
        let text = output(&mut helm_template(values)?)?;
        let name = text
            .split_whitespace()
            .find(|word| word.starts_with("podtap-settings-"));
        Ok(name.unwrap_or_default().to_owned())
    };
    let before = name(&[])?;
    assert!(!before.is_empty());
    assert_ne!(before, name(&["settings.PODTAP_SEGMENT=jumbo"])?);
    Ok(())
}

#[test]
fn values_that_mean_nothing_are_refused() -> Result<()> {
    for (value, named) in [
        ("sensor=snort", "sensor"),
        ("tap=a-name-that-is-too-long", "tap"),
        ("settings.SEGMENT=jumbo", "SEGMENT"),
        // What each pod is told of itself.
        ("settings.PODTAP_NODE=node1", "PODTAP_NODE"),
        ("privileged=true", "privileged"),
        ("image.digest=latest", "digest"),
        ("resources.limits.memory=lots", "memory"),
        ("maxSurge=0", "maxSurge"),
        ("priorityClass.value=2000000000", "value"),
        ("priorityClass.name=system-podtap", "priorityClass"),
    ] {
        let result = helm_template(&[value])?.output()?;
        let told = String::from_utf8_lossy(&result.stderr);
        assert!(!result.status.success(), "{value} was taken");
        assert!(
            told.contains("schema") && told.contains(named),
            "{value}: {told}"
        );
    }
    Ok(())
}
