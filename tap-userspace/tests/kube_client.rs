//! The client, the look-up of one pod, and Events, against a scripted API
//! server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod kube_api;

use std::time::Duration;

use kube_api::{ApiServer, Mode, until};
use serde_json::{Value, json};
use tap_userspace::adapter::kube::{
    ClientError, EventCounts, LookupError, client, find_pod, pod_from_api, record_events,
};
use tap_userspace::model::pod::{Pod, PodUid};
use tap_userspace::model::refusal::Refusal;
use tempfile::NamedTempFile;

const UID: &str = "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e";

fn kubeconfig(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn kubeconfig_for(url: &str) -> NamedTempFile {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    });
    kubeconfig(&config.to_string())
}

async fn refusal(file: &NamedTempFile) -> ClientError {
    let error = match client(Some(file.path().to_owned())).await {
        Ok(_) => panic!("no client should come of this"),
        Err(error) => error,
    };
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 300, "one line: {text}");
    eprintln!("{text}");
    error
}

#[tokio::test]
async fn a_client_from_a_file_asks_that_server() {
    let server = ApiServer::start().await;
    let file = kubeconfig_for(&server.url());
    client(Some(file.path().to_owned()))
        .await
        .expect("a client");
    let lines: Vec<_> = server.requests().into_iter().map(|r| r.line).collect();
    assert_eq!(lines, ["GET /version"]);
}

#[tokio::test]
async fn files_that_are_no_kubeconfig() {
    let missing = client(Some("/no/such/file".into()))
        .await
        .err()
        .expect("none");
    assert_eq!(
        missing.to_string(),
        "cannot use kubeconfig /no/such/file: No such file or directory (os error 2)"
    );
    // What is wrong in a file is said without quoting from it.
    let error = refusal(&kubeconfig("token: s3cret\n  x: {")).await;
    assert!(!error.to_string().contains("s3cret"), "{error}");
    for text in [
        "",
        "{",
        "hello",
        "a: [1",
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n",
    ] {
        let error = refusal(&kubeconfig(text)).await;
        assert!(
            matches!(error, ClientError::Kubeconfig { .. }),
            "{text:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    // Nobody listens on port 1.
    let error = refusal(&kubeconfig_for("http://127.0.0.1:1")).await;
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"));
    let error = refusal(&kubeconfig_for("https://127.0.0.1:1")).await;
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    let error = refusal(&kubeconfig_for("http://no-such-host.invalid")).await;
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    // It speaks no TLS.
    let server = ApiServer::start().await;
    let error = refusal(&kubeconfig_for(&server.url().replace("http:", "https:"))).await;
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    // It listens, and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let error = refusal(&kubeconfig_for(&url)).await;
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_refuses_us() {
    let server = ApiServer::start().await;
    server.set_mode(Mode::Forbidding);
    let error = refusal(&kubeconfig_for(&server.url())).await;
    assert!(matches!(error, ClientError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("not for you"));
}

fn web() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "uid": UID},
        "spec": {"nodeName": "n2", "containers": []},
    })
}

#[tokio::test]
async fn one_pod_is_looked_up() {
    let server = ApiServer::start().await;
    server.put("pods", web());
    let client = server.client();
    let found = find_pod(&client, "shop", "web").await.expect("a pod");
    assert_eq!(
        (found.uid.as_str(), found.node.as_deref()),
        (UID, Some("n2"))
    );
    let error = find_pod(&client, "shop", "wep").await.expect_err("none");
    assert_eq!(error.to_string(), "no pod shop/wep");
    server.set_mode(Mode::Forbidding);
    let error = find_pod(&client, "shop", "web")
        .await
        .expect_err("not allowed");
    assert!(matches!(error, LookupError::Forbidden { .. }), "{error}");
    server.set_mode(Mode::Down);
    let error = find_pod(&client, "shop", "web").await.expect_err("away");
    assert!(matches!(error, LookupError::Failed { .. }), "{error}");
    eprintln!("{error}");
}

fn pod() -> Pod {
    pod_from_api(serde_json::from_value(web()).expect("a pod of the API")).expect("a pod")
}

#[tokio::test]
async fn events_reach_the_pod() {
    let server = ApiServer::start().await;
    let (events, run) = record_events(&server.client(), "n1");
    let sending = tokio::spawn(run);
    events.tapped(&pod(), "eth0 is mirrored to podtap0");
    events.refused(&pod(), &Refusal::HostNetwork);
    let what = "é".repeat(2000);
    events.refused(&pod(), &Refusal::AttachFailed { what });
    let mut long = pod();
    long.key.name = "x".repeat(253);
    events.untapped(&long, "the label is gone");
    let counts = events.clone();
    drop(events);
    let expected = EventCounts {
        sent: 4,
        failed: 0,
        dropped: 0,
        limited: 0,
    };
    until("four Events", || counts.counts() == expected).await;
    drop(counts);
    sending.await.expect("it ends with its queue");

    let sent = server.requests();
    let bodies: Vec<Value> = sent
        .iter()
        .map(|request| serde_json::from_str(&request.body).expect("JSON"))
        .collect();
    assert!(
        sent[0]
            .line
            .starts_with("POST /apis/events.k8s.io/v1/namespaces/shop/events")
    );
    let first = &bodies[0];
    assert_eq!(first["reason"], "Tapped");
    assert_eq!(first["type"], "Normal");
    assert_eq!(first["note"], "eth0 is mirrored to podtap0");
    assert_eq!(
        first["regarding"],
        json!({"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web", "uid": UID})
    );
    assert_eq!(first["reportingController"], "podtap.dev/agent");
    assert_eq!(first["reportingInstance"], "n1");
    assert!(first["eventTime"].is_string() && first["action"].is_string());
    assert_eq!(bodies[1]["type"], "Warning");
    let note = bodies[1]["note"].as_str().expect("a note");
    assert!(note.starts_with("HostNetwork: "), "{note}");
    let note = bodies[2]["note"].as_str().expect("a note");
    assert!(note.len() < 1024 && note.len() > 1000, "{}", note.len());
    let name = bodies[3]["metadata"]["name"].as_str().expect("a name");
    assert!(name.len() <= 253, "{}", name.len());
    assert_eq!(bodies[3]["regarding"]["name"], "x".repeat(253));
}

#[tokio::test]
async fn a_pod_that_flaps_has_a_limited_number_of_events() {
    let server = ApiServer::start().await;
    let (events, run) = record_events(&server.client(), "n1");
    for _ in 0..100 {
        events.tapped(&pod(), "note");
    }
    let counts = events.clone();
    drop(events);
    let sending = tokio::spawn(run);
    let done = || counts.counts().sent + counts.counts().limited == 100;
    until("all are sent or left out", done).await;
    // What one pod may have at once (client-go's defaultSpamBurst).
    assert_eq!(counts.counts().sent, 25);
    assert_eq!(server.requests().len(), 25);
    sending.abort();
}

#[tokio::test]
async fn events_never_block_and_are_counted() {
    let server = ApiServer::start().await;
    server.set_mode(Mode::Down);
    let (events, run) = record_events(&server.client(), "n1");
    // Nobody takes them yet.
    let mut pod = pod();
    for number in 0..2000 {
        let uid = format!("00000000-0000-0000-0000-{number:012}");
        pod.uid = PodUid::parse(&uid).expect("a UID");
        events.tapped(&pod, "note");
    }
    assert_eq!(events.counts().dropped, 2000 - 1024);
    let sending = tokio::spawn(run);
    until("all have failed", || events.counts().failed == 1024).await;
    server.set_mode(Mode::Serving);
    events.tapped(&pod, "note");
    until("one has come", || events.counts().sent == 1).await;
    sending.abort();
    let _ = sending.await;
    events.tapped(&pod, "note");
    assert_eq!(events.counts().dropped, 2000 - 1024 + 1);
    tokio::time::sleep(Duration::from_millis(10)).await;
}
