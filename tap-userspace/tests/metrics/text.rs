//! The OpenMetrics text, read.

use std::collections::{BTreeMap, BTreeSet};

/// A family: its type and its samples.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

/// One line.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// The families by the name of their samples: a counter's with `_total`.
pub(crate) fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a help text");
            let kind = lines.next().expect("a type after the help");
            let kind = kind.strip_prefix(&format!("# TYPE {name} "));
            let kind = kind.expect("the type of the same family").to_owned();
            let total = if kind == "counter" { "_total" } else { "" };
            current = format!("{name}{total}");
            let family = Family {
                kind,
                help: help.to_owned(),
                samples: Vec::new(),
            };
            assert!(
                families.insert(current.clone(), family).is_none(),
                "{name} twice"
            );
        } else if line == "# EOF" {
            assert_eq!(lines.next(), None, "after the end");
            return families;
        } else {
            let family = families.get_mut(&current).expect("a family");
            family.samples.push(sample(line));
        }
    }
    panic!("no # EOF:\n{text}");
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').expect("labels' end");
    let labels = labels.split(',').filter(|label| !label.is_empty());
    let labels = labels.map(|label| {
        let (name, value) = label.split_once("=\"").expect("a label");
        let value = value.strip_suffix('"').expect("a label's end");
        (name.to_owned(), value.to_owned())
    });
    Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().expect("a number"),
    }
}

impl Family {
    /// Names of all labels, but for those that a histogram has by itself.
    pub(crate) fn label_names(&self) -> BTreeSet<String> {
        let names = self.samples.iter().flat_map(|sample| sample.labels.keys());
        names.filter(|name| *name != "le").cloned().collect()
    }

    /// The value of the one sample with these labels.
    pub(crate) fn value(&self, labels: &[(&str, &str)]) -> f64 {
        let is_it = |sample: &&Sample| {
            sample.labels.len() == labels.len()
                && labels
                    .iter()
                    .all(|(name, value)| sample.labels.get(*name).is_some_and(|it| it == value))
        };
        let mut found = self.samples.iter().filter(is_it);
        let value = found.next().expect("a sample").value;
        assert!(found.next().is_none(), "{labels:?} twice");
        value
    }
}
