//! Watch, look-up and Events against a real API server; a kubelet is not
//! needed. It makes a namespace of its own and removes it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tap_userspace::adapter::kube::{Watch, client, find_pod, record_events, watch_node};
use tap_userspace::model::opt_in::{Own, Wanted};
use tap_userspace::model::refusal::Refusal;
use tap_userspace::model::settings::Settings;

const NODE: &str = "podtap-test-node";

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: not within ten seconds");
}

fn wanted(watch: &Watch, name: &str) -> Option<Wanted> {
    let desired = watch.desired.borrow();
    let mut pods = desired.pods.values();
    let found = pods.find(|desired| desired.pod.key.name == name)?;
    Some(found.wanted.clone())
}

fn pod(name: &str, host_network: bool) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "nodeName": NODE,
            "hostNetwork": host_network,
            "containers": [{"name": "c", "image": "none"}],
        },
    }))
    .expect("a pod of the API")
}

fn label(value: Value) -> Patch<Value> {
    Patch::Merge(json!({"metadata": {"labels": {"podtap.dev/tap": value}}}))
}

#[tokio::test]
#[ignore = "needs an API server: PODTAP_TEST_KUBECONFIG names an administrator's kubeconfig"]
async fn real_api_server() {
    let kubeconfig = std::env::var_os("PODTAP_TEST_KUBECONFIG").expect("it is set");
    let client = client(Some(kubeconfig.into())).await.expect("a client");
    let name = format!("podtap-test-{}", std::process::id());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = json!({"metadata": {"name": name}});
    let namespace = serde_json::from_value(namespace).expect("a namespace");
    let params = PostParams::default();
    namespaces.create(&params, &namespace).await.expect("made");
    watched(&client, &name).await;
    events_are_taken(&client, &name).await;
    let removal = DeleteParams::default();
    namespaces.delete(&name, &removal).await.expect("removed");
}

async fn watched(client: &Client, namespace: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let (post, patch) = (PostParams::default(), PatchParams::default());
    pods.create(&post, &pod("web", false)).await.expect("made");
    let (watch, run) = watch_node(client, NODE, Own::default());
    let task = tokio::spawn(run);
    until("a first list", || watch.desired.borrow().synced).await;
    assert_eq!(wanted(&watch, "web"), Some(Wanted::NotTapped));

    pods.patch("web", &patch, &label(json!("true")))
        .await
        .expect("labelled");
    let tapped = Some(Wanted::Tapped(Settings::default()));
    until("tapped", || wanted(&watch, "web") == tapped).await;
    pods.patch("web", &patch, &label(json!("yes")))
        .await
        .expect("labelled");
    let unknown = || {
        matches!(
            wanted(&watch, "web"),
            Some(Wanted::Refused(Refusal::UnknownPodLabel { .. }))
        )
    };
    until("refused", unknown).await;
    pods.patch("web", &patch, &label(json!(null)))
        .await
        .expect("label removed");
    until("untapped", || {
        wanted(&watch, "web") == Some(Wanted::NotTapped)
    })
    .await;

    namespaces
        .patch(namespace, &patch, &label(json!("enforced")))
        .await
        .expect("labelled");
    until("tapped", || wanted(&watch, "web") == tapped).await;
    pods.create(&post, &pod("host", true)).await.expect("made");
    until("refused", || {
        wanted(&watch, "host") == Some(Wanted::Refused(Refusal::HostNetwork))
    })
    .await;
    let now = DeleteParams::default().grace_period(0);
    for name in ["web", "host"] {
        pods.delete(name, &now).await.expect("removed");
        until("gone", || wanted(&watch, name).is_none()).await;
    }
    task.abort();
}

async fn events_are_taken(client: &Client, namespace: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let long_name = "x".repeat(253);
    let params = PostParams::default();
    let made = pods.create(&params, &pod(&long_name, false)).await;
    made.expect("made");
    let pod = find_pod(client, namespace, &long_name)
        .await
        .expect("there");
    assert_eq!(pod.node.as_deref(), Some(NODE));
    let (events, run) = record_events(client, NODE);
    let what = "é".repeat(2000);
    events.tapped(&pod, "eth0 is mirrored");
    events.refused(&pod, &Refusal::HostNetwork);
    events.refused(&pod, &Refusal::AttachFailed { what });
    events.untapped(&pod, "the label is gone");
    let counts = events.clone();
    let sending = tokio::spawn(run);
    until("sent", || {
        counts.counts().sent + counts.counts().failed == 4
    })
    .await;
    sending.abort();
    assert_eq!(counts.counts().failed, 0);
    let list: Api<Event> = Api::namespaced(client.clone(), namespace);
    let found = list.list(&kube::api::ListParams::default()).await;
    let mut reasons: Vec<_> = found
        .expect("a list")
        .into_iter()
        .filter(|event| event.reporting_controller.as_deref() == Some("podtap.dev/agent"))
        .filter_map(|event| event.reason)
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["Refused", "Refused", "Tapped", "Untapped"]);
    let now = DeleteParams::default().grace_period(0);
    pods.delete(&long_name, &now).await.expect("removed");
}
