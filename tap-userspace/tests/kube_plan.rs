//! `podtap plan` as its user runs it, against a scripted API server. What it
//! counts, the integration tests see (tests/tests/plan.rs).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod kube_api;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

use kube_api::{ApiServer, Mode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An API server, a node's `/proc` with process 1 alone, and a place for the
/// agent's socket.
struct Stage {
    server: ApiServer,
    folder: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let (server, folder) = (ApiServer::start().await, TempDir::new().expect("a folder"));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "k", "cluster": {"server": server.url()}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        });
        fs::write(folder.path().join("kubeconfig"), config.to_string()).expect("written");
        let init = folder.path().join("proc/1");
        fs::create_dir_all(init.join("ns")).expect("made");
        fs::write(init.join("cgroup"), "0::/init.scope\n").expect("written");
        symlink("/proc/self/ns/net", init.join("ns/net")).expect("linked");
        Self { server, folder }
    }

    /// Pods of each kind that there is.
    async fn with_pods() -> Self {
        let stage = Self::new().await;
        let add = |number: u8, name: &str, changes: &[(&str, Value)]| {
            let mut pod = json!({
                "metadata": {
                    "name": name, "namespace": "shop", "labels": {}, "annotations": {},
                    "uid": format!("8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d{number:02}"),
                },
                "spec": {"nodeName": "n1"},
                "status": {"phase": "Running"},
            });
            for (pointer, value) in changes {
                let (parent, last) = pointer.rsplit_once('/').expect("a pointer");
                pod.pointer_mut(parent).expect("a parent")[last] = value.clone();
            }
            stage.server.put("pods", pod);
        };
        let label = |value: &str| json!({"podtap.dev/tap": value});
        add(1, "web", &[]);
        add(2, "out", &[("/metadata/labels", label("false"))]);
        add(3, "in", &[("/metadata/labels", label("true"))]);
        add(4, "host", &[("/spec/hostNetwork", json!(true))]);
        let sideways = json!({"podtap.dev/segment": "sideways"});
        add(5, "odd", &[("/metadata/annotations", sideways)]);
        add(6, "done", &[("/status/phase", json!("Succeeded"))]);
        let own = json!({"app.kubernetes.io/name": "podtap"});
        add(
            7,
            "agent",
            &[
                ("/metadata/labels", own),
                ("/metadata/namespace", json!("podtap")),
            ],
        );
        stage
    }

    async fn plan(&self, arguments: &[&str]) -> Output {
        let path = |name| self.folder.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_podtap"));
        command
            .args(["plan", "--node", "n1", "--for", "1ms"])
            .args(["--own-namespace", "podtap"])
            .args(arguments)
            .arg("--kubeconfig")
            .arg(path("kubeconfig"))
            .arg("--proc")
            .arg(path("proc"))
            .arg("--socket")
            .arg(path("agent.sock"));
        let run = move || command.output().expect("podtap runs");
        tokio::task::spawn_blocking(run).await.expect("its output")
    }

    async fn pods(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.plan(&[arguments, &["-o", "json"]].concat()).await;
        assert!(output.status.success(), "{output:?}");
        let survey: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        survey["pods"].as_array().expect("pods").clone()
    }
}

/// Name, what becomes of it, and why.
fn prospects(pods: &[Value]) -> Vec<(&str, &str, Option<&str>)> {
    pods.iter()
        .map(|pod| {
            (
                pod["pod"].as_str().expect("a name"),
                pod["prospect"].as_str().expect("a prospect"),
                pod["reason"].as_str(),
            )
        })
        .collect()
}

#[tokio::test]
async fn of_each_pod_it_is_said_what_a_label_would_do() {
    let stage = Stage::with_pods().await;
    let pods = stage.pods(&["-l", "app=web,tier!=db"]).await;
    assert_eq!(
        prospects(&pods),
        [
            ("agent", "refused", Some("OwnPod")),
            ("done", "finished", None),
            ("host", "refused", Some("HostNetwork")),
            ("in", "opted-in", None),
            ("odd", "refused", Some("BadAnnotation")),
            ("out", "would-be-tapped", None),
            ("web", "would-be-tapped", None),
        ]
    );
    // Nobody knows what they carry, and that is said of each.
    for pod in pods.iter().filter(|pod| pod["prospect"] != "finished") {
        let message = pod["message"].as_str().expect("a message");
        assert!(!message.is_empty() && !message.contains('\n'), "{pod}");
    }
    let requests = stage.server.requests();
    let listed = requests.iter().find(|one| one.line.contains("/pods?"));
    let line = &listed.expect("pods are listed").line;
    for selector in [
        "fieldSelector=spec.nodeName%3Dn1",
        "labelSelector=app%3Dweb%2Ctier%21%3Ddb",
    ] {
        assert!(line.contains(selector), "{line}");
    }
}

#[tokio::test]
async fn without_a_selector_only_what_is_opted_in_is_shown() {
    let stage = Stage::with_pods().await;
    assert_eq!(
        prospects(&stage.pods(&[]).await),
        [("in", "opted-in", None)]
    );
    // A label on a namespace is one on its pods.
    let labelled = json!({"metadata": {"name": "shop", "labels": {"podtap.dev/tap": "true"}}});
    stage.server.put("namespaces", labelled);
    let shown = stage.pods(&["--all-namespaces"]).await;
    assert_eq!(
        prospects(&shown),
        [
            ("host", "refused", Some("HostNetwork")),
            ("in", "opted-in", None),
            ("odd", "refused", Some("BadAnnotation")),
            ("web", "opted-in", None),
        ]
    );
    assert_eq!(stage.pods(&["-n", "podtap"]).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_the_agent_does_comes_before_what_a_label_says() {
    let stage = Stage::with_pods().await;
    let socket = UnixListener::bind(stage.folder.path().join("agent.sock")).expect("a socket");
    let row = json!({"seen": {"packets": 0, "bytes": 0}, "verdicts": {}});
    let target = json!({
        "namespace": "shop", "pod": "in", "uid": "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d03",
        "interface": "eth0", "hook": "tcx", "since_ns": 1, "first_frame_ns": null,
        "received": row, "sent": row, "frames": 0, "delivered": 0, "refused": 0, "left_out": 0,
    });
    let refused = json!({
        "namespace": "shop", "pod": "web", "reason": "AttachFailed", "message": "it failed",
    });
    let status = json!({
        "version": "0", "node": "n1", "api": "connected", "tap": "podtap0",
        "targets": [target], "refused": [refused],
        "datapath": {"records": 0, "undecodable": 0, "delivered": 0, "refused": 0, "engine": {}},
    });
    let answering = std::thread::spawn(move || {
        let (mut client, _) = socket.accept().expect("a client");
        let mut question = String::new();
        BufReader::new(&client)
            .read_line(&mut question)
            .expect("a question");
        let answer = json!({"status": status});
        client
            .write_all(answer.to_string().as_bytes())
            .expect("sent");
    });
    let labelled = json!({"metadata": {"name": "shop", "labels": {"podtap.dev/tap": "true"}}});
    stage.server.put("namespaces", labelled);
    let pods = stage.pods(&[]).await;
    answering.join().expect("asked");
    let prospects = prospects(&pods);
    for expected in [
        ("in", "tapped", None),
        ("web", "refused", Some("AttachFailed")),
    ] {
        assert!(prospects.contains(&expected), "{prospects:?}");
    }
}

#[tokio::test]
async fn a_table_has_a_line_a_pod_the_reasons_and_a_total() {
    let stage = Stage::with_pods().await;
    let output = stage.plan(&["-l", "app"]).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for (begin, words) in [
        ("shop/web ", "would be tapped"),
        ("shop/in ", "is opted in"),
        ("shop/host (HostNetwork)", "hostNetwork"),
        ("shop/web: ", "traffic is not known"),
        ("3 pods ", "3 whose traffic is not known"),
    ] {
        let is_it = |line: &&str| line.starts_with(begin) && line.contains(words);
        assert!(
            text.lines().any(|line| is_it(&line)),
            "{begin} {words}\n{text}"
        );
    }
}

#[tokio::test]
async fn what_the_api_server_refuses_is_one_clear_line() {
    for (mode, words) in [
        (Mode::Malformed, "selector \"app=(\""),
        (Mode::Down, "API server"),
        (Mode::Forbidding, "not for you"),
    ] {
        let stage = Stage::with_pods().await;
        stage.server.set_mode(mode);
        let output = stage.plan(&["-l", "app=("]).await;
        assert_eq!(output.status.code(), Some(1), "{mode:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{mode:?}: {output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(text.lines().count(), 1, "{mode:?}: {text}");
        assert!(text.contains(words), "{mode:?}: {text}");
    }
}
