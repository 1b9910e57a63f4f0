//! When a tap is said to be blind, and when not.

use std::time::{Duration, Instant};

use tap_common::{Count, Direction};
use tap_userspace::engine::drift::{Change, Drift, Totals};

const BOTH: &[Direction] = &Direction::ALL;

fn count(packets: u64, packet_bytes: u64) -> Count {
    Count {
        packets,
        bytes: packets * packet_bytes,
    }
}

/// The same in both directions: packets of 100 bytes.
fn totals(carried: u64, seen: u64) -> impl Fn(Direction) -> Totals {
    move |_| Totals {
        carried: count(carried, 100),
        seen: count(seen, 100),
    }
}

fn seconds(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn what_was_carried_before_the_tap_is_no_drift() {
    let (mut drift, start) = (Drift::new(BOTH), Instant::now());
    for second in 0..60 {
        let totals = totals(5000 + second * 10, second * 10);
        assert_eq!(drift.look(seconds(start, second), totals), []);
    }
}

#[test]
fn a_blind_tap_is_attached_again_and_told_to_see_when_it_does() {
    let (mut drift, start) = (Drift::new(BOTH), Instant::now());
    assert_eq!(drift.look(start, totals(0, 0)), []);
    assert_eq!(drift.look(seconds(start, 9), totals(900, 0)), []);
    let blind = drift.look(seconds(start, 10), totals(1000, 0));
    let [Change::Blind(missed), Change::Blind(_)] = blind.as_slice() else {
        panic!("{blind:?}")
    };
    assert_eq!(missed.totals.carried.packets, 1000);
    assert!(drift.is_blind());

    let mut drift = drift.attached_again();
    assert!(drift.is_blind());
    assert_eq!(drift.look(seconds(start, 11), totals(1100, 0)), []);
    let sees = drift.look(seconds(start, 21), totals(2100, 1000));
    assert_eq!(sees, Direction::ALL.map(Change::Sees));
    assert!(!drift.is_blind());
}

#[test]
fn one_that_is_blind_all_the_same_is_told_once() {
    let (mut drift, start) = (Drift::new(&[Direction::Out]), Instant::now());
    let mut look = |second| drift.look(seconds(start, second), totals(second * 10, 0));
    let told: Vec<_> = (0..=10).flat_map(&mut look).collect();
    assert!(matches!(told.as_slice(), [Change::Blind(_)]), "{told:?}");

    let mut drift = drift.attached_again();
    let mut look = |second| drift.look(seconds(start, second), totals(second * 10, 0));
    let told: Vec<_> = (10..100).flat_map(&mut look).collect();
    assert!(
        matches!(told.as_slice(), [Change::StillBlind(_)]),
        "{told:?}"
    );
}

#[test]
fn a_quiet_interface_is_waited_for() {
    let (mut drift, start) = (Drift::new(&[Direction::In]), Instant::now());
    assert_eq!(drift.look(start, totals(0, 0)), []);
    assert_eq!(drift.look(seconds(start, 3600), totals(31, 0)), []);
    let look = drift.look(seconds(start, 3601), totals(32, 0));
    assert!(matches!(look.as_slice(), [Change::Blind(_)]), "{look:?}");
}

/// Little is sent, around the tap, and much is received and seen.
#[test]
fn a_quiet_direction_is_not_hidden_by_a_busy_one() {
    let (mut drift, start) = (Drift::new(BOTH), Instant::now());
    let mut look = |second: u64| {
        let totals = |direction| match direction {
            Direction::In => totals(second * 1000, second * 1000)(direction),
            Direction::Out => totals(second, 0)(direction),
        };
        drift.look(seconds(start, second), totals)
    };
    let told: Vec<_> = (0..60).flat_map(&mut look).collect();
    let [Change::Blind(missed)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(missed.direction, Direction::Out);
}

/// 44 segments with 1,448 bytes each, of which GRO makes one skb; and 64
/// datagrams with 18 bytes each, as `UDP_GRO` puts them together.
#[test]
fn what_gro_puts_together_is_no_drift() {
    for (segments, header_bytes, payload_bytes) in [(44, 66, 1448), (64, 42, 18)] {
        let (mut drift, start) = (Drift::new(&[Direction::In]), Instant::now());
        let received = |skbs| {
            move |_| Totals {
                carried: count(skbs * segments, header_bytes + payload_bytes),
                seen: count(skbs, header_bytes + segments * payload_bytes),
            }
        };
        assert_eq!(drift.look(start, received(0)), []);
        let look = drift.look(seconds(start, 10), received(1000));
        assert_eq!(look, [], "{segments} segments");
    }
}

#[test]
fn a_counter_that_was_set_back_begins_anew() {
    let (mut drift, start) = (Drift::new(BOTH), Instant::now());
    assert_eq!(drift.look(start, totals(1000, 1000)), []);
    assert_eq!(drift.look(seconds(start, 10), totals(5, 1000)), []);
    assert_eq!(drift.look(seconds(start, 20), totals(105, 1100)), []);
}
