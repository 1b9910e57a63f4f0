//! The control plane: etcd, API server, controller manager and scheduler.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::addresses::{API_SERVER, SERVICES};
use super::layout::Layout;
use super::machine::Machine;
use crate::process::{output, wait_for};

/// What the API server writes to its audit log: who asked what, when it ended.
const AUDIT_POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
"omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}"#;

/// Starts the programs and waits until the API server is ready.
pub(super) fn start(layout: &Layout, control: &Machine) -> Result<()> {
    fs::write(layout.pki().join("audit-policy.json"), AUDIT_POLICY)?;
    // etcd appends: an old log would be taken for this cluster's.
    let _ = fs::remove_file(layout.audit_log());
    daemon(layout, control, "etcd", &etcd())?;
    start_api_server(layout, control)?;
    daemon(
        layout,
        control,
        "kube-controller-manager",
        &controller_manager(layout),
    )?;
    daemon(layout, control, "kube-scheduler", &scheduler(layout))
}

/// Starts the API server and waits until it is ready.
pub(super) fn start_api_server(layout: &Layout, control: &Machine) -> Result<()> {
    daemon(layout, control, "kube-apiserver", &api_server(layout))?;
    let answers = wait_for("the API server", Duration::from_secs(120), || {
        // One that has ended will never answer.
        if !control.runs("kube-apiserver") || !control.runs("etcd") {
            return Ok(Some(false));
        }
        let answer = output(kubectl(layout, control).args(["get", "--raw", "/readyz"]))?;
        Ok((answer == "ok").then_some(true))
    })?;
    ensure!(
        answers,
        "it ended: see control-kube-apiserver.log and control-etcd.log in {}",
        layout.log().display()
    );
    Ok(())
}

fn daemon(layout: &Layout, control: &Machine, name: &str, flags: &[String]) -> Result<()> {
    let program = layout.binary(name);
    control.start_daemon(
        layout,
        program
            .to_str()
            .context("the workspace's path is not UTF-8")?,
        flags,
    )
}

/// kubectl as the cluster's administrator. It never sees the user's own
/// configuration.
pub(super) fn kubectl(layout: &Layout, control: &Machine) -> std::process::Command {
    let mut command = control.on_network(layout.binary("kubectl"));
    command
        .env("KUBECONFIG", layout.kubeconfig())
        .env("KUBECACHEDIR", layout.run().join("kubectl-cache"))
        .env("KUBERC", "off")
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .env_remove("HTTP_PROXY")
        .env_remove("HTTPS_PROXY");
    command
}

fn etcd() -> Vec<String> {
    let client = "http://127.0.0.1:2379";
    let peer = "http://127.0.0.1:2380";
    flags(&[
        ("data-dir", "/var/lib/etcd"),
        ("listen-client-urls", client),
        ("advertise-client-urls", client),
        ("listen-peer-urls", peer),
        ("initial-advertise-peer-urls", peer),
        ("initial-cluster", &format!("default={peer}")),
        // Nobody needs this data after a crash.
        ("unsafe-no-fsync", "true"),
        ("log-level", "warn"),
    ])
}

fn api_server(layout: &Layout) -> Vec<String> {
    let file = |name: &str| layout.pki().join(name).display().to_string();
    flags(&[
        ("etcd-servers", "http://127.0.0.1:2379"),
        ("bind-address", "0.0.0.0"),
        ("secure-port", "443"),
        ("advertise-address", API_SERVER),
        ("service-cluster-ip-range", SERVICES),
        ("tls-cert-file", &file("apiserver.crt")),
        ("tls-private-key-file", &file("apiserver.key")),
        ("client-ca-file", &file("ca.crt")),
        ("authorization-mode", "Node,RBAC"),
        ("enable-admission-plugins", "NodeRestriction"),
        ("allow-privileged", "true"),
        (
            "service-account-issuer",
            "https://kubernetes.default.svc.cluster.local",
        ),
        ("service-account-key-file", &file("service-account.pub")),
        (
            "service-account-signing-key-file",
            &file("service-account.key"),
        ),
        ("kubelet-certificate-authority", &file("ca.crt")),
        ("kubelet-client-certificate", &file("apiserver-kubelet.crt")),
        ("kubelet-client-key", &file("apiserver-kubelet.key")),
        ("kubelet-preferred-address-types", "InternalIP"),
        // Straight to the pods: there is no kube-proxy.
        ("enable-aggregator-routing", "true"),
        ("requestheader-client-ca-file", &file("front-proxy-ca.crt")),
        ("requestheader-allowed-names", "front-proxy-client"),
        ("requestheader-username-headers", "X-Remote-User"),
        ("requestheader-uid-headers", "X-Remote-Uid"),
        ("requestheader-group-headers", "X-Remote-Group"),
        ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        ("proxy-client-cert-file", &file("front-proxy.crt")),
        ("proxy-client-key-file", &file("front-proxy.key")),
        ("audit-policy-file", &file("audit-policy.json")),
        ("audit-log-path", &layout.audit_log().display().to_string()),
    ])
}

fn controller_manager(layout: &Layout) -> Vec<String> {
    let kubeconfig = layout
        .kubeconfig_of("controller-manager")
        .display()
        .to_string();
    flags(&[
        ("kubeconfig", &kubeconfig),
        ("authentication-kubeconfig", &kubeconfig),
        ("authorization-kubeconfig", &kubeconfig),
        ("bind-address", "127.0.0.1"),
        ("leader-elect", "false"),
        // Each controller asks for a token as it starts: the default limit
        // makes that take five seconds.
        ("kube-api-qps", "500"),
        ("kube-api-burst", "1000"),
        ("use-service-account-credentials", "true"),
        (
            "service-account-private-key-file",
            &layout
                .pki()
                .join("service-account.key")
                .display()
                .to_string(),
        ),
        (
            "root-ca-file",
            &layout.pki().join("ca.crt").display().to_string(),
        ),
    ])
}

fn scheduler(layout: &Layout) -> Vec<String> {
    let kubeconfig = layout.kubeconfig_of("scheduler").display().to_string();
    flags(&[
        ("kubeconfig", &kubeconfig),
        ("authentication-kubeconfig", &kubeconfig),
        ("authorization-kubeconfig", &kubeconfig),
        ("bind-address", "127.0.0.1"),
        ("leader-elect", "false"),
    ])
}

fn flags(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs
        .iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}
