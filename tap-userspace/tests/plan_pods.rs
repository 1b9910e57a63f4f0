//! The plan: from any state to any other, without touching what is right.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tap_userspace::engine::actual::{Actual, Attached, Failed};
use tap_userspace::engine::plan::{Action, DetachReason, next_retry, plan};
use tap_userspace::model::Segment;
use tap_userspace::model::opt_in::{DesiredPod, Wanted};
use tap_userspace::model::pod::{Phase, Pod, PodKey, PodUid};
use tap_userspace::model::refusal::Refusal;
use tap_userspace::model::settings::{Annotations, Settings};

type Desired = BTreeMap<PodUid, DesiredPod>;

fn uid(number: u8) -> PodUid {
    PodUid::parse(&format!("00000000-0000-0000-0000-{number:012x}")).expect("a UID")
}

fn pod(number: u8) -> Arc<Pod> {
    Arc::new(Pod {
        key: PodKey {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        },
        uid: uid(number),
        static_hash: None,
        created_s: None,
        node: Some("n1".to_owned()),
        ips: vec![],
        host_network: false,
        phase: Phase::Running,
        deleting: false,
        tap_label: None,
        app_label: None,
        annotations: Annotations::default(),
    })
}

fn desired(pods: impl IntoIterator<Item = (u8, Wanted)>) -> Desired {
    pods.into_iter()
        .map(|(number, wanted)| {
            let pod = pod(number);
            let desired = DesiredPod {
                pod,
                wanted,
                is_enforced: false,
            };
            (uid(number), desired)
        })
        .collect()
}

fn as_attached(pod: Arc<Pod>) -> Attached {
    Attached {
        pod,
        settings: Settings::default(),
        interfaces: 1,
    }
}

fn attached(numbers: &[u8]) -> Actual {
    Actual {
        attached: numbers
            .iter()
            .map(|&n| (uid(n), as_attached(pod(n))))
            .collect(),
        ..Actual::default()
    }
}

fn attach(number: u8) -> Action {
    Action::Attach {
        pod: pod(number),
        settings: Settings::default(),
    }
}

/// Does what the plan says, all of it with success.
fn apply(actual: &mut Actual, actions: Vec<Action>) {
    for action in actions {
        match action {
            Action::Detach { uid, .. } => {
                actual.attached.remove(&uid).expect("it was attached");
            }
            Action::Forget { uid } => {
                let refused = actual.refused.remove(&uid).is_some();
                let failed = actual.failed.remove(&uid).is_some();
                assert!(refused || failed, "there was something to forget");
            }
            Action::Attach { pod, settings } => {
                actual.failed.remove(&pod.uid);
                assert!(!actual.refused.contains_key(&pod.uid), "forgotten before");
                let uid = pod.uid.clone();
                let attached = Attached {
                    pod,
                    settings,
                    interfaces: 1,
                };
                assert!(actual.attached.insert(uid, attached).is_none());
            }
            Action::Refuse { pod, refusal } => {
                assert!(!actual.attached.contains_key(&pod.uid), "detached before");
                actual.refused.insert(pod.uid.clone(), refusal);
            }
        }
    }
}

fn touched(action: &Action) -> &PodUid {
    match action {
        Action::Detach { uid, .. } | Action::Forget { uid } => uid,
        Action::Attach { pod, .. } | Action::Refuse { pod, .. } => &pod.uid,
    }
}

#[test]
fn a_labelled_pod_is_attached_once() {
    let desired = desired([
        (1, Wanted::Tapped(Settings::default())),
        (2, Wanted::NotTapped),
    ]);
    let mut actual = Actual::default();
    let actions = plan(&desired, &actual, Instant::now());
    assert_eq!(actions, [attach(1)]);
    apply(&mut actual, actions);
    assert_eq!(plan(&desired, &actual, Instant::now()), []);
}

#[test]
fn a_pod_replaced_under_its_name_is_detached_then_attached() {
    // The new pod's UID sorts before the old one's.
    let actions = plan(
        &desired([(1, Wanted::Tapped(Settings::default()))]),
        &attached(&[9]),
        Instant::now(),
    );
    let why = DetachReason::PodGone;
    assert_eq!(actions, [Action::Detach { uid: uid(9), why }, attach(1)]);
}

#[test]
fn a_detach_says_why() {
    let mut desired = desired([
        (1, Wanted::NotTapped),
        (2, Wanted::NotTapped),
        (3, Wanted::Refused(Refusal::HostNetwork)),
    ]);
    let mut finished = (*pod(2)).clone();
    finished.phase = Phase::Finished;
    desired.get_mut(&uid(2)).expect("pod 2").pod = Arc::new(finished);
    let actions = plan(&desired, &attached(&[1, 2, 3, 4]), Instant::now());
    let detach = |number, why| Action::Detach {
        uid: uid(number),
        why,
    };
    assert_eq!(
        actions,
        [
            detach(1, DetachReason::OptedOut),
            detach(2, DetachReason::PodFinished),
            detach(3, DetachReason::Refused),
            detach(4, DetachReason::PodGone),
            Action::Refuse {
                pod: pod(3),
                refusal: Refusal::HostNetwork
            },
        ]
    );
}

#[test]
fn a_refusal_is_said_once_and_again_when_it_is_another() {
    let unknown = |value: &str| {
        Wanted::Refused(Refusal::UnknownPodLabel {
            value: value.to_owned(),
        })
    };
    let mut actual = Actual::default();
    let now = Instant::now();
    let first = desired([(1, unknown("yes"))]);
    let actions = plan(&first, &actual, now);
    apply(&mut actual, actions);
    assert_eq!(plan(&first, &actual, now), []);
    let second = desired([(1, unknown("on"))]);
    assert_eq!(plan(&second, &actual, now).len(), 1);
    let good = desired([(1, Wanted::Tapped(Settings::default()))]);
    assert_eq!(
        plan(&good, &actual, now),
        [Action::Forget { uid: uid(1) }, attach(1)]
    );
}

#[test]
fn changed_settings_take_a_tap_down_and_set_it_up_anew() {
    let jumbo = Settings {
        segment: Some(Segment::Jumbo),
        ..Settings::default()
    };
    let desired = desired([(1, Wanted::Tapped(jumbo.clone()))]);
    let mut actual = attached(&[1]);
    let now = Instant::now();
    let actions = plan(&desired, &actual, now);
    assert_eq!(
        actions,
        [
            Action::Detach {
                uid: uid(1),
                why: DetachReason::SettingsChanged
            },
            Action::Attach {
                pod: pod(1),
                settings: jumbo
            }
        ]
    );
    apply(&mut actual, actions);
    assert_eq!(plan(&desired, &actual, now), []);
}

#[test]
fn a_failure_waits_for_its_time_or_for_a_change_of_its_pod() {
    let now = Instant::now();
    let mut desired = desired([(1, Wanted::Tapped(Settings::default()))]);
    let failed = Failed::again(None, pod(1), now);
    let due = failed.retry_at;
    let mut actual = Actual::default();
    actual.failed.insert(uid(1), failed);
    assert_eq!(plan(&desired, &actual, now), []);
    assert_eq!(next_retry(&desired, &actual), Some(due));
    let attach = [attach(1)];
    assert_eq!(plan(&desired, &actual, due), attach);

    let mut with_ip = (*pod(1)).clone();
    with_ip.ips = vec!["10.0.0.7".parse().expect("an address")];
    desired.get_mut(&uid(1)).expect("pod 1").pod = Arc::new(with_ip);
    assert_eq!(plan(&desired, &actual, now).len(), 1);

    desired.clear();
    assert_eq!(next_retry(&desired, &actual), None);
    assert_eq!(
        plan(&desired, &actual, now),
        [Action::Forget { uid: uid(1) }]
    );
}

#[test]
fn retries_slow_down_to_ten_seconds() {
    let now = Instant::now();
    let mut failed = Failed::again(None, pod(1), now);
    assert_eq!(failed.retry_at, now + Duration::from_millis(50));
    let mut passed = Duration::ZERO;
    for _ in 0..100 {
        let delay = failed.retry_at - now;
        // A pod that starts is tapped soon after its interface is there.
        if passed < Duration::from_secs(4) {
            assert!(delay <= Duration::from_millis(200), "{delay:?}");
        }
        passed += delay;
        if failed.tries == Failed::TRIES_SOON {
            assert!(passed.abs_diff(Duration::from_secs(3)) < Duration::from_millis(300));
        }
        let next = Failed::again(Some(&failed), pod(1), now);
        assert!(next.retry_at >= failed.retry_at);
        failed = next;
    }
    assert_eq!(failed.tries, 101);
    assert_eq!(failed.retry_at, now + Duration::from_secs(10));
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    prop_oneof![
        3 => Just(Wanted::Tapped(Settings::default())),
        2 => Just(Wanted::NotTapped),
        1 => Just(Wanted::Refused(Refusal::HostNetwork)),
        1 => Just(Wanted::Refused(Refusal::OwnPod)),
    ]
}

fn any_desired() -> impl Strategy<Value = Desired> {
    proptest::collection::btree_map(0_u8..12, any_wanted(), 0..12).prop_map(desired)
}

/// Each pod is attached, refused, failed (due or not yet) or nothing.
fn any_actual(now: Instant) -> impl Strategy<Value = Actual> {
    proptest::collection::btree_map(0_u8..12, 0_u8..5, 0..12).prop_map(move |states| {
        let mut actual = Actual::default();
        for (number, state) in states {
            let uid = uid(number);
            match state {
                0 => drop(actual.attached.insert(uid, as_attached(pod(number)))),
                1 => drop(actual.refused.insert(uid, Refusal::HostNetwork)),
                2 | 3 => {
                    let wait = Duration::from_secs(u64::from(state - 2));
                    let failed = Failed {
                        pod: pod(number),
                        tries: 1,
                        retry_at: now + wait,
                    };
                    actual.failed.insert(uid, failed);
                }
                _ => {}
            }
        }
        actual
    })
}

fn any_states() -> impl Strategy<Value = (Instant, Desired, Actual)> {
    let now = Instant::now();
    (Just(now), any_desired(), any_actual(now))
}

proptest! {
    #[test]
    fn applied_it_makes_actual_what_is_desired((now, desired, mut actual) in any_states()) {
        let later = now + Duration::from_secs(1);
        let actions = plan(&desired, &actual, later);
        apply(&mut actual, actions);
        let tapped: BTreeSet<_> = desired
            .iter()
            .filter(|(_, pod)| pod.wanted == Wanted::Tapped(Settings::default()))
            .map(|(uid, _)| uid.clone())
            .collect();
        let refused: BTreeMap<_, _> = desired
            .iter()
            .filter_map(|(uid, pod)| match &pod.wanted {
                Wanted::Refused(refusal) => Some((uid.clone(), refusal.clone())),
                _ => None,
            })
            .collect();
        prop_assert_eq!(actual.attached.keys().cloned().collect::<BTreeSet<_>>(), tapped);
        prop_assert_eq!(&actual.refused, &refused);
        prop_assert!(actual.failed.is_empty());
        prop_assert_eq!(plan(&desired, &actual, later), vec![]);
    }

    #[test]
    fn a_pod_that_is_right_is_not_touched((now, desired, actual) in any_states()) {
        for action in plan(&desired, &actual, now) {
            let uid = touched(&action);
            let right = match desired.get(uid).map(|pod| &pod.wanted) {
                Some(Wanted::Tapped(_)) => actual.attached.contains_key(uid),
                Some(Wanted::Refused(refusal)) => actual.refused.get(uid) == Some(refusal),
                Some(Wanted::NotTapped) | None => {
                    !actual.attached.contains_key(uid)
                        && !actual.refused.contains_key(uid)
                        && !actual.failed.contains_key(uid)
                }
            };
            prop_assert!(!right, "{:?}", action);
        }
    }

    #[test]
    fn what_takes_down_comes_first((now, desired, actual) in any_states()) {
        let rank = |action: &Action| match action {
            Action::Detach { .. } => 0,
            Action::Forget { .. } => 1,
            Action::Attach { .. } | Action::Refuse { .. } => 2,
        };
        let actions = plan(&desired, &actual, now);
        prop_assert!(actions.is_sorted_by_key(rank));
        prop_assert_eq!(&actions, &plan(&desired, &actual, now));
    }

    #[test]
    fn nothing_is_tried_before_its_time((now, desired, actual) in any_states()) {
        let next = next_retry(&desired, &actual);
        for action in plan(&desired, &actual, now) {
            if let Action::Attach { pod, .. } = action
                && let Some(failed) = actual.failed.get(&pod.uid)
            {
                prop_assert!(failed.retry_at <= now);
                prop_assert!(next.is_some_and(|next| next <= now));
            }
        }
    }
}
