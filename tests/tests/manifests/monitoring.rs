//! Metrics and probes beside a sensor, and who may ask for them.

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{MONITORING, objects::Objects};

#[test]
fn the_agent_alone_has_pages_and_probes_ask_for_them() -> Result<()> {
    let objects = Objects::of_kustomize(MONITORING)?;
    for (name, container) in objects.containers()? {
        if name != "agent" {
            assert!(container["ports"].is_null(), "{name} has a port");
            continue;
        }
        let port = json!([{"name": "metrics", "containerPort": 9555, "protocol": "TCP"}]);
        assert_eq!(container["ports"], port);
        let env = container["env"].as_array().context("env")?;
        let http = env.iter().find(|one| one["name"] == "PODTAP_HTTP");
        assert_eq!(http.context("PODTAP_HTTP")?["value"], "0.0.0.0:9555");
        for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
            let get = json!({"path": path, "port": "metrics"});
            assert_eq!(container[probe]["httpGet"], get);
        }
        // It is still the one of the overlay below.
        assert_eq!(container["restartPolicy"], "Always");
        assert!(container["startupProbe"].is_object());
    }
    Ok(())
}

#[test]
fn prometheus_alone_may_ask_for_metrics() -> Result<()> {
    let objects = Objects::of_kustomize(MONITORING)?;
    let policy = &objects.get("NetworkPolicy podtap/podtap")?["spec"];
    let prometheus = json!({"matchLabels": {"app.kubernetes.io/name": "prometheus"}});
    let expected = json!([{
        "from": [{"namespaceSelector": {}, "podSelector": prometheus}],
        "ports": [{"port": "metrics", "protocol": "TCP"}],
    }]);
    assert_eq!(policy["ingress"], expected);
    // What may go out is as before.
    assert_eq!(policy["egress"].as_array().map(Vec::len), Some(2));
    let monitor = objects.get("PodMonitor podtap/podtap")?;
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    assert_eq!(endpoint["port"], "metrics");
    objects.get("PrometheusRule podtap/podtap").map(drop)
}
