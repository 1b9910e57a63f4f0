//! The numbers of a snapshot, as they are told.

use tap_common::Verdict;
use tap_userspace::{
    adapter::kube::ApiState,
    agent::metrics::{Labels, Snapshot, render},
    model::{Ledger, refusal::Refusal},
};

use crate::{
    snapshot::{filled, ledger},
    text::{self, Family},
};

fn family(snapshot: Snapshot, name: &str) -> Family {
    let text = render(snapshot, Labels::ByPod).expect("text");
    let mut families = text::parse(&text);
    families
        .remove(name)
        .unwrap_or_else(|| panic!("{name}:\n{text}"))
}

#[test]
fn sums_hold_ended_targets_and_every_verdict() {
    let seen = family(filled(), "podtap_seen_skbs_total");
    assert_eq!(seen.value(&[("direction", "in")]), 1111.0);
    assert_eq!(seen.value(&[("direction", "out")]), 1111.0);
    let verdicts = family(filled(), "podtap_verdict_bytes_total");
    assert_eq!(verdicts.samples.len(), 2 * Verdict::COUNT);
    let lost = [("direction", "in"), ("verdict", "ring_full")];
    assert_eq!(verdicts.value(&lost), 400.0);
    let frames = family(filled(), "podtap_frames_total");
    assert_eq!(frames.value(&[("outcome", "delivered")]), 555.0);
}

#[test]
fn no_sum_goes_down_when_a_target_ends() {
    let before = filled();
    let mut after = filled();
    let ended = after.tapping.targets.remove(0);
    after.tapping.retired = Ledger::together(&[after.tapping.retired, ended.ledger]);
    let counts = after
        .datapath
        .targets
        .remove(&ended.id)
        .expect("its counts");
    after.datapath.retired.frames += counts.frames;
    after.datapath.retired.frame_bytes += counts.frame_bytes;
    after.datapath.retired.delivered += counts.delivered;
    after.datapath.retired.refused += counts.refused;
    after.datapath.retired.duplicates += counts.duplicates;
    let text = |snapshot| render(snapshot, Labels::Summed).expect("text");
    let counters = |text: &str| {
        let lines = text.lines().filter(|line| line.contains("_total"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(counters(&text(before)), counters(&text(after)));
}

#[test]
fn a_pods_interfaces_are_one_series_and_namesakes_are_not() {
    let seen = family(filled(), "podtap_pod_seen_skbs_total");
    let labels = |namespace| {
        [
            ("namespace", namespace),
            ("pod", "web"),
            ("direction", "in"),
        ]
    };
    assert_eq!(seen.value(&labels("shop")), 110.0);
    assert_eq!(seen.value(&labels("bank")), 1.0);
    let frames = family(filled(), "podtap_pod_frames_total");
    let outcome = |namespace| {
        [
            ("namespace", namespace),
            ("pod", "web"),
            ("outcome", "delivered"),
        ]
    };
    assert_eq!(frames.value(&outcome("shop")), 55.0);
    assert_eq!(frames.value(&outcome("bank")), 0.0);
}

/// Two pods by one name, one after the other: a scraper refuses a page with
/// one series twice.
#[test]
fn a_pod_and_its_successor_are_one_series() {
    let mut snapshot = filled();
    for target in &mut snapshot.tapping.targets {
        target.pod.namespace = "shop".into();
        target.ledger = ledger(1);
    }
    let seen = family(snapshot, "podtap_pod_seen_skbs_total");
    let labels = [("namespace", "shop"), ("pod", "web"), ("direction", "out")];
    assert_eq!(seen.value(&labels), 3.0);
}

#[test]
fn delays_are_cumulative_and_in_seconds() {
    let delay = family(filled(), "podtap_delay_seconds");
    let sample = |name: &str| {
        let mut found = delay.samples.iter().filter(|sample| sample.name == name);
        found.next().expect("a sample").value
    };
    assert_eq!(sample("podtap_delay_seconds_count"), 4.0);
    let sum = sample("podtap_delay_seconds_sum");
    assert!((sum - 60.000_801).abs() < 1e-9, "{sum}");
    let buckets: Vec<_> = delay
        .samples
        .iter()
        .filter_map(|sample| Some((sample.labels.get("le")?.as_str(), sample.value)))
        .collect();
    let bound = |text: &str| match text {
        "+Inf" => f64::INFINITY,
        number => number.parse().expect("a bound"),
    };
    assert!(
        buckets
            .windows(2)
            .all(|two| bound(two[0].0) < bound(two[1].0) && two[0].1 <= two[1].1),
        "{buckets:?}"
    );
    let up_to = |seconds: f64| {
        let mut within = buckets.iter().filter(|(le, _)| bound(le) <= seconds);
        within.next_back().expect("a bucket").1
    };
    assert_eq!(up_to(0.000_1), 1.0, "{buckets:?}");
    assert_eq!(up_to(0.001), 3.0, "{buckets:?}");
    assert_eq!(up_to(30.0), 3.0, "{buckets:?}");
    assert_eq!(up_to(f64::INFINITY), 4.0, "{buckets:?}");
}

#[test]
fn every_reason_is_there_before_it_is_met() {
    let refused = family(filled(), "podtap_refused_pods");
    assert_eq!(refused.samples.len(), Refusal::METRIC_NAMES.len());
    assert_eq!(refused.value(&[("reason", "host_network")]), 2.0);
    assert_eq!(refused.value(&[("reason", "attach_failed")]), 1.0);
    assert_eq!(refused.value(&[("reason", "own_pod")]), 0.0);
}

#[test]
fn one_state_of_the_api_is_1() {
    for (api, state) in [
        (ApiState::Connecting, "connecting"),
        (ApiState::There, "connected"),
        (ApiState::Away, "away"),
    ] {
        let mut snapshot = filled();
        snapshot.api = api;
        let states = family(snapshot, "podtap_api_state");
        assert_eq!(states.value(&[("state", state)]), 1.0);
        let sum: f64 = states.samples.iter().map(|sample| sample.value).sum();
        assert_eq!(sum, 1.0);
    }
}

#[test]
fn a_name_with_quotes_breaks_no_line() {
    let mut snapshot = filled();
    snapshot.node = "a\"b\\c\nd".into();
    let text = render(snapshot, Labels::Summed).expect("text");
    assert!(text.contains(r#"node="a\"b\\c\nd""#), "{text}");
}
