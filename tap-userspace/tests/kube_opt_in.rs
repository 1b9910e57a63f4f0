//! Who is tapped, and what is made of the API's pods.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use k8s_openapi::api::core::v1 as api;
use serde_json::{Value, json};
use tap_userspace::adapter::kube::{ConvertError, pod_from_api};
use tap_userspace::model::Directions;
use tap_userspace::model::opt_in::{Namespace, Own, Wanted, wanted};
use tap_userspace::model::pod::{Phase, Pod, PodUid};
use tap_userspace::model::refusal::Refusal;
use tap_userspace::model::settings::{Annotations, Settings};

const UID: &str = "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e";
const HASH: &str = "0123456789abcdef0123456789abcdef";

fn running() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-1",
            "namespace": "shop",
            "uid": UID,
            "labels": {"app.kubernetes.io/name": "web"},
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "web", "image": "web"}]},
        "status": {
            "phase": "Running",
            "podIP": "10.1.0.7",
            "podIPs": [{"ip": "10.1.0.7"}, {"ip": "fd00::7"}],
        },
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut pod = running();
    for (pointer, value) in changes {
        let (parent, last) = pointer.rsplit_once('/').expect("a pointer");
        let parent = pod.pointer_mut(parent).expect("a parent");
        let parent = parent.as_object_mut().expect("an object");
        parent.insert(last.to_owned(), value.clone());
    }
    pod
}

fn convert(pod: Value) -> Result<Pod, ConvertError> {
    pod_from_api(serde_json::from_value::<api::Pod>(pod).expect("a pod of the API"))
}

fn pod(changes: &[(&str, Value)]) -> Pod {
    convert(with(changes)).expect("a pod")
}

fn namespace(label: Option<&str>) -> Namespace {
    Namespace {
        tap_label: label.map(ToOwned::to_owned),
        annotations: Annotations::default(),
    }
}

fn labelled(value: Option<&str>) -> Pod {
    match value {
        Some(value) => pod(&[("/metadata/labels", json!({"podtap.dev/tap": value}))]),
        None => pod(&[]),
    }
}

#[test]
fn a_running_pod() {
    let pod = pod(&[]);
    assert_eq!(pod.key.to_string(), "shop/web-1");
    assert_eq!(pod.uid.as_str(), UID);
    assert_eq!(pod.cgroup_uid().as_str(), UID);
    assert_eq!(pod.node.as_deref(), Some("n1"));
    let ips: Vec<_> = pod.ips.iter().map(ToString::to_string).collect();
    assert_eq!(ips, ["10.1.0.7", "fd00::7"]);
    assert_eq!(pod.phase, Phase::Running);
    assert_eq!(pod.app_label.as_deref(), Some("web"));
    assert!(!pod.host_network && !pod.deleting);
    assert_eq!(pod.tap_label, None);
}

#[test]
fn a_pod_whose_status_is_not_there_yet() {
    let pod = pod(&[("/status", json!({})), ("/metadata/labels", json!(null))]);
    assert_eq!(pod.phase, Phase::Pending);
    assert_eq!(pod.ips, [] as [std::net::IpAddr; 0]);
}

#[test]
fn a_static_pods_hash_is_believed_on_its_mirror_alone() {
    let annotated = |annotations: Value| pod(&[("/metadata/annotations", annotations)]);
    let mirror = annotated(json!({
        "kubernetes.io/config.hash": HASH,
        "kubernetes.io/config.mirror": HASH,
        "kubernetes.io/config.source": "file",
    }));
    assert_eq!(mirror.cgroup_uid().as_str(), HASH);
    assert_eq!(mirror.uid.as_str(), UID);

    let forged = annotated(json!({"kubernetes.io/config.hash": HASH}));
    assert_eq!(forged.static_hash, None);
    assert_eq!(forged.cgroup_uid().as_str(), UID);

    for odd in [
        "",
        "..",
        "0123456789abcdef0123456789abcdeg",
        "11111111-2222-3333-4444-555555555555",
    ] {
        let pod = annotated(json!({
            "kubernetes.io/config.hash": odd,
            "kubernetes.io/config.mirror": odd,
        }));
        assert_eq!(pod.static_hash, None, "{odd}");
    }
}

#[test]
fn a_pod_without_what_every_pod_has_is_refused() {
    for pointer in ["/metadata/name", "/metadata/namespace", "/metadata/uid"] {
        let error = convert(with(&[(pointer, json!(null))])).expect_err(pointer);
        assert!(matches!(error, ConvertError::Missing(_)), "{error}");
    }
    let error = convert(with(&[("/metadata/uid", json!("../../1"))])).expect_err("no UID");
    assert_eq!(
        error.to_string(),
        "pod shop/web-1: \"../../1\" is no pod UID: neither an RFC 4122 text nor 32 hex digits"
    );
}

#[test]
fn finished_pods_are_not_wanted_and_terminating_ones_are() {
    for phase in ["Succeeded", "Failed"] {
        let pod = pod(&[
            ("/metadata/labels", json!({"podtap.dev/tap": "true"})),
            ("/status/phase", json!(phase)),
        ]);
        assert_eq!(
            wanted(&pod, &namespace(Some("enforced")), &Own::default()),
            Wanted::NotTapped
        );
    }
    let terminating = pod(&[
        ("/metadata/labels", json!({"podtap.dev/tap": "true"})),
        ("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
    ]);
    assert!(terminating.deleting);
    assert_eq!(
        wanted(&terminating, &namespace(None), &Own::default()),
        Wanted::Tapped(Settings::default())
    );
}

#[test]
fn every_pair_of_labels() {
    let bad_pod = |value: &str| {
        let value = value.to_owned();
        Wanted::Refused(Refusal::UnknownPodLabel { value })
    };
    let bad_namespace = |value: &str| {
        Wanted::Refused(Refusal::UnknownNamespaceLabel {
            namespace: "shop".to_owned(),
            value: value.to_owned(),
        })
    };
    let (yes, no) = (|| Wanted::Tapped(Settings::default()), || Wanted::NotTapped);
    for (pod, label, expected) in [
        (None, None, no()),
        (None, Some("true"), yes()),
        (None, Some("false"), no()),
        (None, Some("enforced"), yes()),
        (None, Some("True"), bad_namespace("True")),
        (None, Some(""), bad_namespace("")),
        (Some("true"), None, yes()),
        (Some("true"), Some("true"), yes()),
        (Some("true"), Some("false"), yes()),
        (Some("true"), Some("enforced"), yes()),
        (Some("true"), Some("on"), yes()),
        (Some("false"), None, no()),
        (Some("false"), Some("true"), no()),
        (Some("false"), Some("false"), no()),
        (Some("false"), Some("enforced"), yes()),
        (Some("false"), Some("on"), no()),
        (Some("yes"), None, bad_pod("yes")),
        (Some("yes"), Some("true"), bad_pod("yes")),
        (Some("yes"), Some("false"), bad_pod("yes")),
        (Some("yes"), Some("enforced"), yes()),
        (Some("enforced"), None, bad_pod("enforced")),
    ] {
        let decided = wanted(&labelled(pod), &namespace(label), &Own::default());
        assert_eq!(decided, expected, "pod {pod:?}, namespace {label:?}");
    }
}

#[test]
fn a_namespaces_annotations_are_its_pods_defaults_or_its_law() {
    let direction = |direction: &str| Annotations {
        direction: Some(direction.to_owned()),
        ..Annotations::default()
    };
    let decided = |label: &str, of_namespace: &str, of_pod: Option<&str>| {
        let namespace = Namespace {
            tap_label: Some(label.to_owned()),
            annotations: direction(of_namespace),
        };
        let mut pod = labelled(None);
        pod.annotations = of_pod.map(direction).unwrap_or_default();
        wanted(&pod, &namespace, &Own::default())
    };
    let tapped = |directions| {
        Wanted::Tapped(Settings {
            directions,
            ..Settings::default()
        })
    };
    let (incoming, outgoing) = (Some(Directions::In), Some(Directions::Out));
    assert_eq!(decided("true", "in", None), tapped(incoming));
    assert_eq!(decided("true", "in", Some("out")), tapped(outgoing));
    assert_eq!(decided("true", "up", Some("out")), tapped(outgoing));
    for (of_namespace, of_pod) in [("up", None), ("in", Some("up"))] {
        let decided = decided("true", of_namespace, of_pod);
        assert!(matches!(decided, Wanted::Refused(_)), "{decided:?}");
    }
    // Where the namespace enforces, its pods change nothing, and neither does
    // its own mistake take a pod out.
    assert_eq!(decided("enforced", "in", Some("out")), tapped(incoming));
    assert_eq!(decided("enforced", "in", Some("up")), tapped(incoming));
    assert_eq!(decided("enforced", "up", Some("out")), tapped(None));
}

#[test]
fn pods_on_their_nodes_network_are_refused_if_asked_for() {
    let host = |label: Value| {
        let host_network = ("/spec/hostNetwork", json!(true));
        pod(&[("/metadata/labels", label), host_network])
    };
    let asked = host(json!({"podtap.dev/tap": "true"}));
    let refused = Wanted::Refused(Refusal::HostNetwork);
    assert_eq!(wanted(&asked, &namespace(None), &Own::default()), refused);
    let silent = host(json!({}));
    assert_eq!(
        wanted(&silent, &namespace(None), &Own::default()),
        Wanted::NotTapped
    );
    assert_eq!(
        wanted(&silent, &namespace(Some("enforced")), &Own::default()),
        refused
    );
}

#[test]
fn podtaps_own_pods_are_refused_if_asked_for() {
    let labels = json!({"app.kubernetes.io/name": "podtap", "podtap.dev/tap": "true"});
    let namesake = pod(&[("/metadata/labels", labels)]);
    let refused = Wanted::Refused(Refusal::OwnPod);
    let in_namespace = |namespace: &str| Own {
        namespace: Some(namespace.to_owned()),
        uid: None,
    };
    assert_eq!(
        wanted(&namesake, &namespace(None), &in_namespace("shop")),
        refused
    );
    // In another namespace it is just a name.
    assert_eq!(
        wanted(&namesake, &namespace(None), &in_namespace("podtap")),
        Wanted::Tapped(Settings::default())
    );
    assert_eq!(
        wanted(&namesake, &namespace(None), &Own::default()),
        Wanted::Tapped(Settings::default())
    );
    let itself = Own {
        namespace: None,
        uid: PodUid::parse(UID).ok(),
    };
    assert_eq!(
        wanted(&labelled(Some("true")), &namespace(None), &itself),
        refused
    );
    assert_eq!(
        wanted(&labelled(None), &namespace(None), &itself),
        Wanted::NotTapped
    );
}

#[test]
fn each_refusal_has_names_and_one_line() {
    let refusals = [
        Refusal::HostNetwork,
        Refusal::OwnPod,
        Refusal::UnknownPodLabel {
            value: "x\ny".into(),
        },
        Refusal::UnknownNamespaceLabel {
            namespace: "shop".into(),
            value: "on".into(),
        },
        Refusal::BadAnnotation {
            annotation: "podtap.dev/segment",
            value: "x\ny".into(),
            what: "`x` is none of wire, jumbo".into(),
        },
        Refusal::BadNamespaceAnnotation {
            namespace: "shop".into(),
            annotation: "podtap.dev/segment",
            value: "x".into(),
            what: "`x` is none of wire, jumbo".into(),
        },
        Refusal::NetnsNotFound,
        Refusal::NetnsAmbiguous {
            count: 2,
            ips: vec![],
        },
        Refusal::AttachFailed {
            what: "setns: EPERM".into(),
        },
    ];
    for refusal in refusals {
        let text = refusal.to_string();
        assert!(
            !text.is_empty() && !text.contains('\n') && !text.contains("  "),
            "{text}"
        );
        assert!(refusal.reason().bytes().all(|b| b.is_ascii_alphabetic()));
        let metric = refusal.metric_name();
        assert!(metric.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        assert_eq!(metric.replace('_', ""), refusal.reason().to_lowercase());
    }
}
