//! The watch of a node's pods, against a scripted API server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod kube_api;

use std::sync::Arc;
use std::time::Duration;

use kube_api::{ApiServer, Mode, until};
use serde_json::{Value, json};
use tap_userspace::adapter::kube::{ApiState, Desired, Watch, watch_node};
use tap_userspace::model::opt_in::{Own, Wanted};
use tap_userspace::model::refusal::Refusal;
use tap_userspace::model::settings::Settings;
use tokio::task::AbortHandle;

struct Watching {
    watch: Watch,
    task: AbortHandle,
}

impl Watching {
    fn start(server: &ApiServer) -> Self {
        Self::with(&server.client())
    }

    fn with(client: &kube::Client) -> Self {
        let (watch, run) = watch_node(client, "n1", Own::default());
        let task = tokio::spawn(run).abort_handle();
        Self { watch, task }
    }

    fn now(&self) -> Arc<Desired> {
        Arc::clone(&self.watch.desired.borrow())
    }

    fn api(&self) -> ApiState {
        *self.watch.api.borrow()
    }

    /// What is to become of a pod; nothing if there is none.
    fn wanted(&self, name: &str) -> Option<Wanted> {
        let now = self.now();
        let mut pods = now.pods.values();
        let found = pods.find(|desired| desired.pod.key.name == name)?;
        Some(found.wanted.clone())
    }

    async fn synced(&self) {
        until("a first list", || self.now().synced).await;
        until("an answer", || self.api() == ApiState::There).await;
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn pod(name: &str, number: u8, labels: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": format!("00000000-0000-0000-0000-{number:012}"),
            "labels": labels,
        },
        "spec": {"nodeName": "n1", "containers": []},
        "status": {"phase": "Running", "podIP": "10.1.0.7"},
    })
}

fn namespace(labels: Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": {"name": "shop", "labels": labels},
    })
}

fn yes() -> Value {
    json!({"podtap.dev/tap": "true"})
}

#[tokio::test]
async fn labels_come_and_go() {
    let server = ApiServer::start().await;
    server.put("namespaces", namespace(json!({})));
    server.put("pods", pod("web", 1, json!({})));
    let watching = Watching::start(&server);
    watching.synced().await;
    assert_eq!(watching.wanted("web"), Some(Wanted::NotTapped));

    until("both watches", || server.open_watches() == 2).await;
    server.put("pods", pod("web", 1, yes()));
    until("tapped", || {
        watching.wanted("web") == Some(Wanted::Tapped(Settings::default()))
    })
    .await;
    server.put("pods", pod("web", 1, json!({"podtap.dev/tap": "yes"})));
    let refused = Wanted::Refused(Refusal::UnknownPodLabel {
        value: "yes".to_owned(),
    });
    until("refused", || {
        watching.wanted("web") == Some(refused.clone())
    })
    .await;
    server.put("pods", pod("web", 1, json!({})));
    until("untapped", || {
        watching.wanted("web") == Some(Wanted::NotTapped)
    })
    .await;

    server.put("namespaces", namespace(yes()));
    until("tapped", || {
        watching.wanted("web") == Some(Wanted::Tapped(Settings::default()))
    })
    .await;
    server.put("namespaces", namespace(json!({})));
    until("untapped", || {
        watching.wanted("web") == Some(Wanted::NotTapped)
    })
    .await;
    server.remove("pods", "web");
    until("gone", || watching.wanted("web").is_none()).await;
    assert!(watching.now().synced);
}

#[tokio::test]
async fn one_list_and_one_watch_each_for_this_node_alone() {
    let server = ApiServer::start().await;
    let watching = Watching::start(&server);
    watching.synced().await;
    until("both watches", || server.open_watches() == 2).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let lines: Vec<_> = server.requests().into_iter().map(|r| r.line).collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let of_pods = lines.iter().filter(|line| line.contains("/pods?"));
    for line in of_pods {
        assert!(line.contains("fieldSelector=spec.nodeName%3Dn1"), "{line}");
    }
}

#[tokio::test]
async fn what_changes_nothing_for_us_is_not_told() {
    let server = ApiServer::start().await;
    server.put("pods", pod("web", 1, yes()));
    let mut watching = Watching::start(&server);
    watching.synced().await;
    until("both watches", || server.open_watches() == 2).await;
    watching.watch.desired.mark_unchanged();
    let mut touched = pod("web", 1, yes());
    touched["metadata"]["annotations"] = json!({"note": "hello"});
    touched["status"]["conditions"] = json!([]);
    server.put("pods", touched);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!watching.watch.desired.has_changed().expect("alive"));
}

#[tokio::test]
async fn an_api_server_that_goes_away_and_comes_back() {
    let server = ApiServer::start().await;
    server.put("pods", pod("web", 1, yes()));
    server.put("pods", pod("old", 2, yes()));
    let mut watching = Watching::start(&server);
    watching.synced().await;
    until("both watches", || server.open_watches() == 2).await;
    watching.watch.desired.mark_unchanged();
    server.set_mode(Mode::Down);
    until("away", || watching.api() == ApiState::Away).await;
    assert!(!watching.watch.desired.has_changed().expect("alive"));
    assert_eq!(
        watching.wanted("web"),
        Some(Wanted::Tapped(Settings::default()))
    );

    server.set_mode(Mode::Serving);
    // Said by the first answer, although nothing has changed meanwhile.
    until("back", || watching.api() == ApiState::There).await;
    assert!(!watching.watch.desired.has_changed().expect("alive"));
    until("both watches", || server.open_watches() == 2).await;
    server.put("pods", pod("new", 3, yes()));
    until("caught up", || watching.wanted("new").is_some()).await;
}

/// The time is made up: it goes on when nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn an_absence_of_ten_minutes_changes_nothing_and_is_caught_up() {
    let server = ApiServer::start().await;
    server.put("pods", pod("web", 1, yes()));
    server.put("pods", pod("old", 2, yes()));
    let mut watching = Watching::start(&server);
    watching.synced().await;
    until("both watches", || server.open_watches() == 2).await;
    watching.watch.desired.mark_unchanged();
    server.set_mode(Mode::Down);
    server.remove("pods", "old");
    server.put("pods", pod("new", 3, yes()));
    let asked = server.requests().len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(watching.api(), ApiState::Away);
    assert!(!watching.watch.desired.has_changed().expect("alive"));
    // At intervals of up to half a minute, each watch.
    let asked = server.requests().len() - asked;
    assert!((20..=100).contains(&asked), "{asked} requests");

    server.set_mode(Mode::Serving);
    // The next try of each is half a minute away at most, give or take.
    tokio::time::sleep(Duration::from_secs(90)).await;
    let tapped = Some(Wanted::Tapped(Settings::default()));
    for (name, wanted) in [("web", &tapped), ("new", &tapped), ("old", &None)] {
        assert_eq!(&watching.wanted(name), wanted, "{name}");
    }
    assert_eq!(watching.api(), ApiState::There);
}

#[tokio::test]
async fn a_watch_that_hangs_is_opened_anew_and_nobody_is_alarmed() {
    let server = ApiServer::start().await;
    let client = server.client_with(Some(Duration::from_millis(300)));
    let mut watching = Watching::with(&client);
    watching.synced().await;
    watching.watch.api.mark_unchanged();
    let watches = || {
        let requests = server.requests();
        let watches = requests.iter().filter(|r| r.line.contains("watch=true"));
        watches.count()
    };
    until("opened anew", || watches() >= 6).await;
    assert!(!watching.watch.api.has_changed().expect("alive"));
    let lists = server.requests().len() - watches();
    assert_eq!(lists, 2, "the watch goes on where it was");
}

#[tokio::test]
async fn an_expired_watch_is_listed_anew_without_a_flap() {
    let server = ApiServer::start().await;
    server.put("pods", pod("web", 1, yes()));
    server.put("pods", pod("old", 2, yes()));
    let mut watching = Watching::start(&server);
    watching.synced().await;
    until("both watches", || server.open_watches() == 2).await;
    let mut seen = watching.watch.desired.clone();
    seen.mark_unchanged();
    let history = tokio::spawn(async move {
        let mut history = Vec::new();
        while seen.changed().await.is_ok() {
            let desired = Arc::clone(&seen.borrow_and_update());
            let names = desired.pods.values().map(|pod| pod.pod.key.name.clone());
            history.push(names.collect::<Vec<_>>());
            if history.len() == 2 {
                break;
            }
        }
        history
    });
    watching.watch.desired.mark_unchanged();

    // The server forgets its past, and something happens meanwhile.
    server.set_mode(Mode::Expired);
    server.remove("pods", "old");
    server.put("pods", pod("new", 3, yes()));
    until("listed anew", || watching.wanted("new").is_some()).await;
    assert_eq!(watching.wanted("old"), None);
    assert_eq!(
        watching.wanted("web"),
        Some(Wanted::Tapped(Settings::default()))
    );
    assert_ne!(watching.api(), ApiState::Away);
    server.set_mode(Mode::Serving);
    until("both watches", || server.open_watches() == 2).await;

    // The same, told on the watch as Kubernetes does it.
    let gone = json!({"type": "ERROR", "object": {
        "kind": "Status", "status": "Failure", "message": "too old resource version",
        "reason": "Expired", "code": 410,
    }});
    server.say("pods", &gone);
    until("a second list", || server.open_watches() == 2).await;
    server.put("pods", pod("newer", 4, yes()));
    until("watched", || watching.wanted("newer").is_some()).await;
    // Both changes in one step each; at no time was `web` missing.
    assert_eq!(
        history.await.expect("seen"),
        [vec!["web", "new"], vec!["web", "new", "newer"]]
    );
}

#[tokio::test]
async fn nothing_is_there_before_both_lists_are() {
    let server = ApiServer::start().await;
    server.set_mode(Mode::Forbidding);
    server.put("pods", pod("web", 1, yes()));
    let watching = Watching::start(&server);
    until("refused", || watching.api() == ApiState::Away).await;
    assert_eq!(*watching.now(), Desired::default());
    server.set_mode(Mode::Serving);
    watching.synced().await;
    assert_eq!(
        watching.wanted("web"),
        Some(Wanted::Tapped(Settings::default()))
    );
}

#[tokio::test]
async fn a_pod_replaced_under_its_name_is_another_pod() {
    let server = ApiServer::start().await;
    server.put("pods", pod("web", 1, yes()));
    let watching = Watching::start(&server);
    watching.synced().await;
    until("both watches", || server.open_watches() == 2).await;
    server.remove("pods", "web");
    server.put("pods", pod("web", 2, yes()));
    until("replaced", || {
        let now = watching.now();
        now.pods.len() == 1 && now.pods.keys().all(|uid| uid.as_str().ends_with('2'))
    })
    .await;
}
