//! Suricata's counters.

use std::collections::BTreeMap;

use serde_json::Value;

/// Not 0 if a frame was not what the wire carried.
const FAULTS: [&str; 7] = [
    "/decoder/invalid",
    "/decoder/too_many_layers",
    "/decoder/event/ipv4/trunc_pkt",
    "/decoder/event/ipv6/trunc_pkt",
    "/decoder/event/tcp/invalid_optlen",
    "/tcp/invalid_checksum",
    "/flow/memcap",
];

/// Not 0 if a segment was missing, which a bad wire can make it: then it is
/// missing for all.
const GAPS: [&str; 2] = ["/tcp/reassembly_gap", "/tcp/insert_data_normal_fail"];

/// In the names of counters that two sensors need not have in common.
const OWN: [&str; 3] = [
    // Memory is not traffic.
    "mem",
    // Segments kept until they are acknowledged, and among them those that came
    // again before: at the one point before the acknowledgement, at the other
    // behind it.
    "/tcp/segment_from_",
    "/tcp/overlap",
];

/// Panics unless these counters are there and 0.
pub(crate) fn assert_no_faults(whose: &str, stats: &Value) {
    for pointer in FAULTS {
        let count = stats.pointer(pointer).and_then(Value::as_u64);
        assert_eq!(count, Some(0), "{whose} {pointer}");
    }
}

/// How many segments were missing, by counter.
pub(crate) fn gaps(stats: &Value) -> [u64; 2] {
    GAPS.map(|pointer| {
        let count = stats.pointer(pointer).and_then(Value::as_u64);
        count.expect("a counter of gaps")
    })
}

/// Panics, showing those that differ, unless both counted the same.
pub(crate) fn assert_equal(tap: &Value, wire: &Value) {
    let (tap, wire) = (counted(tap), counted(wire));
    let differ = tap.keys().chain(wire.keys()).filter_map(|name| {
        let pair = (tap.get(name), wire.get(name));
        (pair.0 != pair.1).then_some((name, pair))
    });
    let differ: BTreeMap<_, _> = differ.collect();
    assert!(differ.is_empty(), "counters on tap and wire: {differ:?}");
}

/// What it counted of packets and connections, by pointer.
fn counted(stats: &Value) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for name in ["decoder", "tcp", "defrag"] {
        gather(&format!("/{name}"), &stats[name], &mut counted);
    }
    counted.retain(|pointer, _| !OWN.iter().any(|own| pointer.contains(own)));
    counted
}

fn gather(pointer: &str, value: &Value, counted: &mut BTreeMap<String, u64>) {
    if let Some(count) = value.as_u64() {
        counted.insert(pointer.to_owned(), count);
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        gather(&format!("{pointer}/{name}"), value, counted);
    }
}
