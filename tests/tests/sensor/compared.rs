//! Two logs, event by event.

use std::{collections::BTreeMap, fmt::Write as _};

/// Logged events by type, and how often each.
pub(crate) type ByType = BTreeMap<String, BTreeMap<String, usize>>;

/// How many of a difference are worth reading.
const SHOWN: usize = 4;

/// Panics unless both have the same events; the number of each type.
pub(crate) fn assert_equal(what: &str, tap: &ByType, wire: &ByType) -> BTreeMap<String, usize> {
    let mut differences = String::new();
    let mut equal = BTreeMap::new();
    let none = BTreeMap::new();
    for kind in tap.keys().chain(wire.keys()) {
        let (on_tap, on_wire) = (
            tap.get(kind).unwrap_or(&none),
            wire.get(kind).unwrap_or(&none),
        );
        equal.insert(kind.clone(), on_tap.values().sum());
        for (one, other, whose) in [(on_tap, on_wire, "tap"), (on_wire, on_tap, "wire")] {
            let only = one
                .iter()
                .filter(|(event, count)| other.get(*event).unwrap_or(&0) < count);
            for (event, count) in only.take(SHOWN) {
                writeln!(
                    differences,
                    "{kind}, the {whose}'s alone, {count} times: {event}"
                )
                .expect("a text");
            }
        }
    }
    assert!(differences.is_empty(), "{what}:\n{differences}");
    equal
}
