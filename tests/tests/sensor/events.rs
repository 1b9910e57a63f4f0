//! Suricata's `eve.json`, without what two sensors cannot have in common.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

/// By JSON pointer, and why.
const OWN: [&str; 8] = [
    // When it was seen, and what is made of that.
    "/timestamp",
    "/flow/start",
    "/flow/end",
    "/flow/age",
    // A hash that a random number and the time go into.
    "/flow_id",
    // The packet's number in the file: packets of two directions are in
    // another order at another point of the path.
    "/pcap_cnt",
    "/pcap_filename",
    // A file has no interface.
    "/in_iface",
];

/// Not in `flow` events, where these are of the whole connection: how far the
/// other direction had come when the rule matched.
const OF_THE_MOMENT: [&str; 4] = [
    "/flow/pkts_toserver",
    "/flow/pkts_toclient",
    "/flow/bytes_toserver",
    "/flow/bytes_toclient",
];

/// Anomalies that say in which order a segment and the other direction's
/// acknowledgement of it came by (Suricata's stream-tcp.c: `PKT_IS_BEFORE_LAST_ACK`
/// and its tests for retransmissions, which compare with `last_ack`). What was
/// on its way between the two points passed the one before and the other behind
/// that acknowledgement.
const ORDER_OF_DIRECTIONS: [&str; 3] = [
    "_pkt_before_last_ack",
    "pkt_retransmission",
    "pkt_spurious_retransmission",
];

/// What one run logged.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) events: Vec<Value>,
    /// Its counters at the end.
    pub(crate) stats: Value,
}

impl Events {
    /// Reads a log. One that is being written may have half a last line.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("eve.json");
        let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
        let all = whole
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("an event"));
        let (stats, events): (Vec<_>, Vec<_>) =
            all.partition(|event| event["event_type"] == "stats");
        Self {
            stats: stats
                .last()
                .map_or(Value::Null, |last| last["stats"].clone()),
            events,
        }
    }

    /// Packets that it decoded.
    pub(crate) fn packets(&self) -> u64 {
        let count = self.stats.pointer("/decoder/pkts");
        count.and_then(Value::as_u64).unwrap_or(0)
    }

    /// Those of a type.
    pub(crate) fn of_type<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events
            .iter()
            .filter(move |event| event["event_type"] == name)
    }

    /// How often each event is there, by its type, as far as `same` leaves it.
    pub(crate) fn normalised(
        &self,
        same: impl Fn(&mut Value),
    ) -> BTreeMap<String, BTreeMap<String, usize>> {
        let flows = self.flows();
        let mut by_type = BTreeMap::<_, BTreeMap<_, _>>::new();
        for event in &self.events {
            let mut event = event.clone();
            let kind = event["event_type"].as_str().expect("a type").to_owned();
            let is_of_order =
                |name: &str| ORDER_OF_DIRECTIONS.iter().any(|end| name.ends_with(end));
            if event
                .pointer("/anomaly/event")
                .and_then(Value::as_str)
                .is_some_and(is_of_order)
            {
                continue;
            }
            for pointer in OWN {
                remove(&mut event, pointer);
            }
            if kind == "alert" {
                for pointer in OF_THE_MOMENT {
                    remove(&mut event, pointer);
                }
            }
            // A flow's id says nothing in another log; its addresses do.
            if let Some(parent) = event.get_mut("parent_id") {
                let flow = parent.as_u64().and_then(|id| flows.get(&id));
                *parent = flow.expect("the flow of a parent_id").as_str().into();
            }
            same(&mut event);
            let events = by_type.entry(kind).or_default();
            *events.entry(event.to_string()).or_insert(0) += 1;
        }
        by_type
    }
}

impl Events {
    /// Addresses and ports of each flow, by its id.
    fn flows(&self) -> BTreeMap<u64, String> {
        let ends = ["src_ip", "src_port", "dest_ip", "dest_port"];
        let flow = |event: &Value| {
            let words = ends.map(|name| event[name].to_string());
            (event["flow_id"].as_u64().expect("an id"), words.join(" "))
        };
        self.of_type("flow").map(flow).collect()
    }
}

/// Takes a value out, if it is there.
pub(crate) fn remove(value: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    if let Some(object) = value.pointer_mut(parent).and_then(Value::as_object_mut) {
        object.remove(name);
    }
}
