//! The documented table against what is rendered.

use std::collections::{BTreeMap, BTreeSet};

use tap_userspace::agent::metrics::{Labels, render};

use crate::{snapshot::filled, text};

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

/// Type and labels by name.
type Table = BTreeMap<String, (String, BTreeSet<String>)>;

/// The rows of the document's table.
pub(crate) fn documented() -> Table {
    let rows = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `podtap_"));
    let mut table = Table::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, meaning, _] = cells[..] else {
            panic!("not four columns: {row}");
        };
        assert!(!meaning.is_empty(), "{row}");
        let labels = labels
            .split_whitespace()
            .map(|label| label.replace('`', ""));
        let row = (kind.to_owned(), labels.collect());
        let name = name.replace('`', "");
        assert!(table.insert(name.clone(), row).is_none(), "{name} twice");
    }
    table
}

fn rendered(labels: Labels) -> Table {
    let text = render(filled(), labels).expect("text");
    let families = text::parse(&text);
    families
        .into_iter()
        .map(|(name, family)| {
            assert!(!family.samples.is_empty(), "{name} has no sample");
            let labels = family.label_names();
            (name, (family.kind, labels))
        })
        .collect()
}

#[test]
fn the_documented_table_is_what_is_served() {
    assert_eq!(rendered(Labels::ByPod), documented());
}

#[test]
fn without_pods_no_label_grows_with_the_cluster() {
    let mut without = documented();
    without.retain(|name, _| !name.starts_with("podtap_pod_"));
    assert_eq!(rendered(Labels::Summed), without);
    let closed = [
        "version",
        "node",
        "tap",
        "metadata",
        "state",
        "reason",
        "outcome",
        "direction",
        "verdict",
        "operation",
    ];
    for (name, (_, labels)) in without {
        for label in labels {
            assert!(closed.contains(&&*label), "{name} has the label {label}");
        }
    }
}

#[test]
fn names_say_what_is_counted_in_which_unit() {
    for (name, (kind, _)) in documented() {
        let has_total = name.ends_with("_total");
        assert_eq!(has_total, kind == "counter", "{name} is a {kind}");
        let has_unit = name.ends_with("_seconds");
        assert_eq!(has_unit, kind == "histogram", "{name} is a {kind}");
    }
}

#[test]
fn every_family_has_a_help_text_of_one_line() {
    let text = render(filled(), Labels::ByPod).expect("text");
    for (name, family) in text::parse(&text) {
        assert!(family.help.ends_with('.'), "{name}: {}", family.help);
    }
}
