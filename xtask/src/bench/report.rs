//! All of it for people, and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::column::Column;
use super::machine::Machine;
use super::results::{Round, others_share, spread};
use super::row::Row;
use super::{Options, table};

/// Fewer rounds say nothing about how far figures spread.
const ROUNDS_MIN: u32 = 3;

/// From which share of the machine on that others use, rates say little.
const BUSY_SHARE: f64 = 0.1;

/// A row that could not be measured, and why.
pub(super) type Skipped = (Row, &'static str);

/// What was measured, and on what.
pub(super) struct Report<'a> {
    pub(super) options: &'a Options,
    pub(super) machine: &'a Machine,
    pub(super) rounds: &'a [Round],
    pub(super) rows: &'a [Row],
    pub(super) columns: &'a [&'a Column],
    pub(super) skipped: &'a [Skipped],
}

impl Report<'_> {
    /// The machine, the table, and what its rows are.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{}\n{} rounds of {} s: median (least–most)\n\n{}\n",
            self.machine.line(),
            self.options.rounds,
            self.options.seconds,
            table::table(self.rounds, self.rows, self.columns),
        );
        for row in self.rows {
            let _ = writeln!(text, "- {}: {}", row.name(), row.describe());
        }
        for (row, why) in self.skipped {
            let _ = writeln!(text, "- {}: skipped: {why}", row.name());
        }
        if let Some(share) = others_share(self.rounds) {
            let percent = |share: f64| share * 100.0;
            let _ = writeln!(
                text,
                "\nothers used {:.0} % of the machine ({:.0}–{:.0}){}",
                percent(share.median),
                percent(share.min),
                percent(share.max),
                if share.max > BUSY_SHARE {
                    ": too much for rates and latencies to be compared"
                } else {
                    ""
                }
            );
        }
        if !self.is_result() {
            let _ = writeln!(
                text,
                "\nfewer than {ROUNDS_MIN} rounds: a look, not a result"
            );
        }
        text
    }

    /// The same, and all raw values.
    pub(super) fn json(&self) -> Value {
        let by_row = |row: &Row| {
            let of = |column: &&Column| Some((column.name, spread(self.rounds, *row, column)?));
            let spreads: BTreeMap<_, _> = self.columns.iter().filter_map(of).collect();
            (row.name(), spreads)
        };
        let raw = |round: &Round| -> BTreeMap<&str, Value> {
            let named = round.iter().map(|(row, all)| (row.name(), json!(all)));
            named.collect()
        };
        let skipped = self.skipped.iter().map(|(row, why)| (row.name(), why));
        json!({
            "machine": self.machine,
            "rounds": self.options.rounds,
            "seconds": self.options.seconds,
            "result": self.is_result(),
            "others_share": others_share(self.rounds),
            "skipped": skipped.collect::<BTreeMap<_, _>>(),
            "table": self.rows.iter().map(by_row).collect::<BTreeMap<_, _>>(),
            "raw": self.rounds.iter().map(raw).collect::<Vec<_>>(),
        })
    }

    fn is_result(&self) -> bool {
        self.options.rounds >= ROUNDS_MIN
    }
}
