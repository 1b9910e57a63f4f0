//! Which pods a full node taps: never more than it may, the same ones whatever
//! came before, and enforced ones first.
//!
//! If this fails, a node is overloaded, a pod is tapped and untapped without
//! end, or one that must be tapped makes way for one that need not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use proptest::prelude::*;
use tap_userspace::{
    engine::{
        actual::{Actual, Attached, Failed, Needs},
        plan::{Action, DetachReason, plan},
        target_limit::within,
    },
    model::{
        opt_in::{DesiredPod, Wanted},
        pod::{Phase, Pod, PodKey, PodUid},
        refusal::Refusal,
        settings::{Annotations, Settings},
    },
};

type Desired = BTreeMap<PodUid, DesiredPod>;

fn uid(number: u8) -> PodUid {
    PodUid::parse(&format!("00000000-0000-0000-0000-{number:012x}")).expect("a UID")
}

/// Made at that second, in an enforced namespace or not, and to be tapped.
fn pod(number: u8, created_s: i64, is_enforced: bool) -> (PodUid, DesiredPod) {
    let pod = Pod {
        key: PodKey {
            namespace: "shop".into(),
            name: format!("web-{number}"),
        },
        uid: uid(number),
        static_hash: None,
        created_s: Some(created_s),
        node: Some("n1".into()),
        ips: Vec::new(),
        host_network: false,
        phase: Phase::Running,
        deleting: false,
        tap_label: None,
        app_label: None,
        annotations: Annotations::default(),
    };
    let desired = DesiredPod {
        pod: Arc::new(pod),
        wanted: Wanted::Tapped(Settings::default()),
        is_enforced,
    };
    (uid(number), desired)
}

/// A node whose pods have so many interfaces each.
#[derive(Debug)]
struct Node {
    max_targets: usize,
    interfaces: BTreeMap<PodUid, usize>,
    actual: Actual,
    detached: Vec<(PodUid, DetachReason)>,
}

impl Node {
    fn new(max_targets: usize, interfaces: impl IntoIterator<Item = (u8, usize)>) -> Self {
        let interfaces = interfaces.into_iter();
        Self {
            max_targets,
            interfaces: interfaces.map(|(n, count)| (uid(n), count)).collect(),
            actual: Actual::default(),
            detached: Vec::new(),
        }
    }

    fn stand(&self) -> usize {
        let attached = self.actual.attached.values();
        attached.map(|attached| attached.interfaces).sum()
    }

    fn needs(&self, uid: &PodUid) -> usize {
        self.interfaces.get(uid).copied().unwrap_or(1)
    }

    fn tapped(&self) -> BTreeSet<PodUid> {
        self.actual.attached.keys().cloned().collect()
    }

    fn plan(&self, desired: &Desired) -> Vec<Action> {
        let pods = within(desired.clone(), &self.actual, self.max_targets);
        plan(&pods, &self.actual, Instant::now())
    }

    /// Does what is planned, as the agent does.
    fn follow(&mut self, desired: &Desired) {
        self.actual.keep_needs_of(|uid| desired.contains_key(uid));
        for _ in 0..=desired.len() {
            if self.does(self.plan(desired)) {
                return;
            }
        }
        panic!("planned without end: {:?}", self.actual);
    }

    /// Whether all of it could be done.
    fn does(&mut self, actions: Vec<Action>) -> bool {
        for action in actions {
            match action {
                Action::Detach { uid, why } => {
                    self.actual.note_needs(&uid);
                    self.actual.attached.remove(&uid).expect("it was attached");
                    self.detached.push((uid, why));
                }
                Action::Forget { uid } => {
                    self.actual.refused.remove(&uid);
                    self.actual.failed.remove(&uid);
                }
                Action::Refuse { pod, refusal } => {
                    self.actual.refused.insert(pod.uid.clone(), refusal);
                }
                Action::Attach { pod, settings } => {
                    let (uid, interfaces) = (pod.uid.clone(), self.needs(&pod.uid));
                    if self.stand() + interfaces > self.max_targets {
                        let needs = Needs {
                            settings,
                            interfaces,
                        };
                        self.actual.needs.insert(uid, needs);
                        return false;
                    }
                    let attached = Attached {
                        pod,
                        settings,
                        interfaces,
                    };
                    self.actual.attached.insert(uid, attached);
                }
            }
            assert!(self.stand() <= self.max_targets, "{:?}", self.actual);
        }
        true
    }
}

#[test]
fn on_a_full_node_the_newest_pod_waits_until_there_is_room() {
    let mut node = Node::new(2, []);
    let mut desired = Desired::from([pod(1, 30, false), pod(2, 10, false), pod(3, 20, false)]);
    node.follow(&desired);
    assert_eq!(node.tapped(), BTreeSet::from([uid(2), uid(3)]));
    assert_eq!(node.plan(&desired), []);
    let refusal = &node.actual.refused[&uid(1)];
    assert_eq!(refusal.reason(), "TargetLimit");
    let text = refusal.to_string();
    assert!(text.contains("at most 2") && text.contains("--max-targets"));

    desired.remove(&uid(2));
    node.follow(&desired);
    assert_eq!(node.tapped(), BTreeSet::from([uid(1), uid(3)]));
    assert!(node.actual.refused.is_empty());
}

#[test]
fn the_newest_make_room_for_an_enforced_pod_and_are_told_so() {
    // What has come needs two places, which is seen only when it is tried.
    let mut node = Node::new(3, [(9, 2)]);
    let mut desired = Desired::from([pod(1, 10, false), pod(2, 20, false), pod(3, 30, false)]);
    node.follow(&desired);
    desired.extend([pod(9, 99, true)]);
    node.follow(&desired);
    assert_eq!(node.tapped(), BTreeSet::from([uid(1), uid(9)]));
    let why = DetachReason::TargetLimit;
    assert_eq!(node.detached, [(uid(3), why), (uid(2), why)]);
    assert!(why.text().contains("--max-targets"));
    assert_eq!(node.plan(&desired), []);
}

#[test]
fn a_pod_that_alone_has_too_many_interfaces_takes_nobodys_place() {
    let mut node = Node::new(2, [(1, 3)]);
    let desired = Desired::from([pod(1, 10, true), pod(2, 20, false)]);
    node.follow(&desired);
    assert_eq!(node.tapped(), BTreeSet::from([uid(2)]));
    let refusal = node.actual.refused[&uid(1)].to_string();
    assert!(refusal.contains("no room for 3"), "{refusal}");
}

#[test]
fn what_a_pod_needed_says_nothing_about_its_other_settings() {
    let mut node = Node::new(2, [(1, 3)]);
    let mut desired = Desired::from([pod(1, 10, false)]);
    node.follow(&desired);
    assert_eq!(node.tapped(), BTreeSet::new());
    // It names one of its interfaces now.
    node.interfaces.clear();
    let settings = Settings {
        interfaces: Some("eth0".parse().expect("a name")),
        ..Settings::default()
    };
    desired.get_mut(&uid(1)).expect("it").wanted = Wanted::Tapped(settings);
    node.follow(&desired);
    assert_eq!(node.tapped(), BTreeSet::from([uid(1)]));
}

#[test]
fn a_pod_that_cannot_be_tapped_yet_keeps_its_place() {
    let mut node = Node::new(1, []);
    let desired = Desired::from([pod(1, 10, false), pod(2, 20, false)]);
    let failed = Failed::again(None, Arc::clone(&desired[&uid(1)].pod), Instant::now());
    node.actual.failed.insert(uid(1), failed);
    assert!(node.does(node.plan(&desired)));
    assert_eq!(node.tapped(), BTreeSet::new());
    assert!(node.actual.refused.contains_key(&uid(2)));
}

fn any_desired() -> impl Strategy<Value = Desired> {
    let any_pod = (0_i64..4, any::<bool>(), 0_u8..5);
    proptest::collection::btree_map(0_u8..10, any_pod, 0..10).prop_map(|pods| {
        let pods = pods
            .into_iter()
            .map(|(number, (created_s, is_enforced, kind))| {
                let (uid, mut desired) = pod(number, created_s, is_enforced);
                match kind {
                    0 => desired.wanted = Wanted::NotTapped,
                    1 => desired.wanted = Wanted::Refused(Refusal::HostNetwork),
                    _ => {}
                }
                (uid, desired)
            });
        pods.collect()
    })
}

fn any_node(most_interfaces: usize) -> impl Strategy<Value = Node> {
    let interfaces = proptest::collection::vec(1..=most_interfaces, 10);
    (1_usize..9, interfaces)
        .prop_map(|(max_targets, interfaces)| Node::new(max_targets, (0_u8..).zip(interfaces)))
}

proptest! {
    #[test]
    fn who_is_tapped_does_not_hang_on_what_was_before(
        mut node in any_node(4),
        states in proptest::collection::vec(any_desired(), 1..5),
    ) {
        for desired in &states {
            node.follow(desired);
            // Planning again changes nothing.
            prop_assert_eq!(node.plan(desired), vec![]);
        }
        let before = node.tapped();
        node.actual = Actual::default();
        node.follow(states.last().expect("one"));
        prop_assert_eq!(node.tapped(), before);
    }

    #[test]
    fn nobody_waits_for_those_who_come_after(mut node in any_node(4), desired in any_desired()) {
        node.follow(&desired);
        for (uid, refusal) in &node.actual.refused {
            if *refusal == Refusal::HostNetwork {
                continue;
            }
            let rank = |uid: &PodUid| {
                let pod = &desired[uid];
                (!pod.is_enforced, pod.pod.created_s, uid.clone())
            };
            let before = node.actual.attached.iter().filter(|(other, _)| rank(other) < rank(uid));
            let taken: usize = before.map(|(_, attached)| attached.interfaces).sum();
            prop_assert!(taken + node.needs(uid) > node.max_targets, "{uid}: {:?}", node.actual);
        }
    }

    #[test]
    fn no_enforced_pod_waits_while_another_is_tapped(
        mut node in any_node(1),
        states in proptest::collection::vec(any_desired(), 1..5),
    ) {
        for desired in &states {
            node.follow(desired);
            let is_enforced = |uid: &PodUid| desired[uid].is_enforced;
            let waits = node.actual.refused.iter().any(|(uid, refusal)| {
                is_enforced(uid) && *refusal != Refusal::HostNetwork
            });
            prop_assert!(!waits || node.actual.attached.keys().all(is_enforced));
        }
    }
}
