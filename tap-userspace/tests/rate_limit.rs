//! Who has to go while all tapped pods together carry too much.
//!
//! If this fails, a flood takes the node's CPU for its tap, or a pod that must
//! be tapped is not.
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
    time::{Duration, Instant},
};

use tap_common::Count;
use tap_userspace::{
    engine::{
        actual::{Actual, Attached},
        rate_limit::{LOOKS, RateLimit, Seen},
        target_limit,
    },
    model::{
        Segment, TargetId,
        opt_in::{DesiredPod, Wanted},
        pod::{Phase, Pod, PodKey, PodUid},
        refusal::RATE_HOLD,
        settings::{Annotations, Settings},
    },
};

/// What each of the pods carries: 1 Mbit/s.
const BYTES_A_SECOND: u64 = 125_000;

fn uid(number: u8) -> PodUid {
    PodUid::parse(&format!("00000000-0000-0000-0000-{number:012x}")).expect("a UID")
}

/// A node under a limit. Pods are the newer the higher their number; all that
/// are not refused are tapped.
struct Node {
    limit: RateLimit,
    desired: BTreeMap<PodUid, DesiredPod>,
    actual: Actual,
    now: Instant,
    seen: BTreeMap<TargetId, Count>,
}

impl Node {
    fn new(max: &str, pods: &[u8], enforced: &[u8]) -> Self {
        let desired = pods.iter().map(|&number| {
            let pod = Pod {
                key: PodKey {
                    namespace: "shop".into(),
                    name: format!("web-{number}"),
                },
                uid: uid(number),
                static_hash: None,
                created_s: Some(number.into()),
                node: Some("n1".into()),
                ips: Vec::new(),
                host_network: false,
                phase: Phase::Running,
                deleting: false,
                tap_label: Some("true".into()),
                app_label: None,
                annotations: Annotations::default(),
            };
            let desired = DesiredPod {
                pod: Arc::new(pod),
                wanted: Wanted::Tapped(Settings::default()),
                is_enforced: enforced.contains(&number),
            };
            (uid(number), desired)
        });
        let mut node = Self {
            limit: RateLimit::new(max.parse().expect("a rate")),
            desired: desired.collect(),
            actual: Actual::default(),
            now: Instant::now(),
            seen: BTreeMap::new(),
        };
        node.follow();
        node
    }

    /// What is tapped becomes what the limit leaves.
    fn follow(&mut self) {
        let pods = self.limit.within(self.desired.clone(), self.now);
        let tapped = pods.into_iter().filter_map(|(uid, pod)| match pod.wanted {
            Wanted::Tapped(settings) => Some((
                uid,
                Attached {
                    pod: pod.pod,
                    settings,
                    interfaces: 1,
                },
            )),
            _ => None,
        });
        self.actual.attached = tapped.collect();
    }

    /// A second in which each tapped pod carries so many times its usual.
    fn second(&mut self, times: u64) -> Seen {
        self.now += Duration::from_secs(1);
        let tapped: Vec<_> = self.actual.attached.values().collect();
        let seen = tapped.iter().map(|attached| {
            let id = TargetId(u32::try_from(attached.pod.created_s.unwrap()).unwrap());
            // A target that ended is another one when it comes back: it begins
            // at 0.
            let mut count = self.seen.get(&id).copied().unwrap_or_default();
            count.packets += times;
            count.bytes += times * BYTES_A_SECOND;
            (id, count)
        });
        self.seen = seen.collect();
        let result = self
            .limit
            .look(self.seen.clone(), &self.desired, &self.actual, self.now);
        self.follow();
        result
    }

    fn tapped(&self) -> BTreeSet<PodUid> {
        self.actual.attached.keys().cloned().collect()
    }

    fn is_tapped(&self, numbers: &[u8]) -> bool {
        self.tapped() == numbers.iter().map(|&number| uid(number)).collect()
    }
}

#[test]
fn the_newest_go_until_it_fits_and_not_before_three_looks() {
    let mut node = Node::new("2M", &[1, 2, 3, 4], &[]);
    // The first look has nothing to compare with.
    for look in 0..LOOKS {
        assert_eq!(node.second(1), Seen::Fits, "{look}");
        assert!(node.is_tapped(&[1, 2, 3, 4]));
    }
    assert_eq!(node.second(1), Seen::Held);
    assert!(node.is_tapped(&[1, 2, 3]));
    assert_eq!(node.second(1), Seen::Held);
    assert!(node.is_tapped(&[1, 2]));
    // 2 Mbit/s are no more than 2 Mbit/s.
    for _ in 0..10 {
        assert_eq!(node.second(1), Seen::Fits);
    }
    assert!(node.is_tapped(&[1, 2]));

    let pods = node.limit.within(node.desired.clone(), node.now);
    let Wanted::Refused(refusal) = &pods[&uid(4)].wanted else {
        panic!("{pods:?}");
    };
    assert_eq!(refusal.reason(), "RateLimit");
    let text = refusal.to_string();
    for part in ["carried 4.00 Mbit/s", "at most 2.00 Mbit/s", "--max-rate"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_burst_of_two_looks_is_no_reason() {
    let mut node = Node::new("3M", &[1, 2], &[]);
    for _ in 0..5 {
        assert_eq!(node.second(1), Seen::Fits);
        for _ in 1..LOOKS {
            assert_eq!(node.second(5), Seen::Fits);
        }
    }
    assert!(node.is_tapped(&[1, 2]));
}

#[test]
fn enforced_pods_stay_and_that_is_said_once() {
    let mut node = Node::new("1M", &[1, 2, 3], &[2, 3]);
    for _ in 0..LOOKS {
        node.second(1);
    }
    assert_eq!(node.second(1), Seen::Held);
    assert!(node.is_tapped(&[2, 3]));
    let bits_per_s = 2_000_000;
    assert_eq!(node.second(1), Seen::OnlyEnforced { bits_per_s });
    for _ in 0..10 {
        assert_eq!(node.second(1), Seen::Fits);
    }
    assert!(node.is_tapped(&[2, 3]));
    // It was fine for a while.
    node.second(0);
    for _ in 1..LOOKS {
        assert_eq!(node.second(1), Seen::Fits);
    }
    assert_eq!(node.second(1), Seen::OnlyEnforced { bits_per_s });
}

/// One pod that is tapped, and one that had to go just now.
fn one_held() -> Node {
    let mut node = Node::new("1M", &[1, 2], &[]);
    for _ in 0..=LOOKS {
        node.second(1);
    }
    assert!(node.is_tapped(&[1]));
    node
}

#[test]
fn who_had_to_go_is_tried_again_after_its_time() {
    let mut node = one_held();
    node.now += RATE_HOLD - Duration::from_secs(1);
    node.follow();
    assert!(node.is_tapped(&[1]));
    node.now += Duration::from_secs(1);
    node.follow();
    assert!(node.is_tapped(&[1, 2]));
}

#[test]
fn who_had_to_go_is_tried_again_when_it_is_to_be_tapped_otherwise() {
    let changes: [fn(&mut DesiredPod); 3] = [
        |pod| {
            let segment = Some(Segment::Jumbo);
            pod.wanted = Wanted::Tapped(Settings {
                segment,
                ..Settings::default()
            });
        },
        |pod| Arc::make_mut(&mut pod.pod).tap_label = None,
        |pod| pod.is_enforced = true,
    ];
    for change in changes {
        let mut node = one_held();
        change(node.desired.get_mut(&uid(2)).expect("it"));
        node.follow();
        assert!(node.is_tapped(&[1, 2]));
        // It is judged by what is seen from now on.
        for _ in 1..LOOKS {
            assert_eq!(node.second(1), Seen::Fits);
        }
        assert!(node.is_tapped(&[1, 2]));
    }
    // Of another kind of change nothing gets lighter.
    let mut node = one_held();
    let pod = &mut node.desired.get_mut(&uid(2)).expect("it").pod;
    Arc::make_mut(pod).deleting = true;
    node.follow();
    assert!(node.is_tapped(&[1]));
}

#[test]
fn what_passes_while_nothing_is_copied_does_not_count() {
    let mut node = Node::new("1M", &[1, 2], &[]);
    for _ in 0..LOOKS {
        assert_eq!(node.second(1), Seen::Fits);
    }
    node.limit.rest();
    for _ in 0..LOOKS {
        assert_eq!(node.second(1), Seen::Fits);
    }
    assert_eq!(node.second(1), Seen::Held);
}

#[test]
fn nobody_gets_the_place_of_who_had_to_go() {
    let mut node = Node::new("1M", &[1, 2, 3], &[]);
    node.desired.remove(&uid(3));
    node.follow();
    for _ in 0..=LOOKS {
        node.second(1);
    }
    assert!(node.is_tapped(&[1]));
    node.desired = Node::new("1M", &[1, 2, 3], &[]).desired;
    let pods = node.limit.within(node.desired.clone(), node.now);
    let pods = target_limit::within(pods, &node.actual, 2);
    let refusal = |number| match &pods[&uid(number)].wanted {
        Wanted::Refused(refusal) => refusal.metric_name(),
        other => panic!("{other:?}"),
    };
    assert_eq!((refusal(2), refusal(3)), ("rate_limit", "target_limit"));
    assert!(matches!(pods[&uid(1)].wanted, Wanted::Tapped(_)));
}
