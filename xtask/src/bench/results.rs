//! All that was measured, and what follows from it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::column::{Column, Kind};
use super::phase::RowMeasured;
use super::row::Row;

/// One round: what was measured of each row.
pub type Round = BTreeMap<Row, RowMeasured>;

/// A column's value of a row, over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these values; nothing if there is none.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let (upper, lower) = (values.len() / 2, values.len().saturating_sub(1) / 2);
        Some(Self {
            median: f64::midpoint(*values.get(lower)?, *values.get(upper)?),
            min: *values.first()?,
            max: *values.last()?,
        })
    }
}

/// The column's value of the row. Ratios are taken within each round, whose
/// rows were measured one right after the other.
#[must_use]
pub fn spread(rounds: &[Round], row: Row, column: &Column) -> Option<Spread> {
    let raw = |round: &Round, row| {
        let measured = round.get(&row)?.get(column.phase.name())?;
        column.raw(row, measured)
    };
    let value = |round: &Round| {
        let value = raw(round, row)?;
        match column.kind {
            Kind::Absolute => Some(value),
            Kind::Kept => Some(value / raw(round, Row::Untapped)?),
            Kind::KeptInverse => Some(raw(round, Row::Untapped)? / value),
        }
    };
    Spread::of(rounds.iter().filter_map(value).collect())
}

/// The share of the machine that others used, over all loads of all rows.
pub(super) fn others_share(rounds: &[Round]) -> Option<Spread> {
    let rows = rounds.iter().flat_map(BTreeMap::values);
    let measured = rows.flat_map(BTreeMap::values);
    Spread::of(measured.map(|measured| measured.others_share).collect())
}

/// Where podtap's ledger did not close, in words.
#[must_use]
pub fn open_ledgers(rounds: &[Round]) -> Vec<String> {
    let mut open = Vec::new();
    for (number, round) in (1..).zip(rounds) {
        for (row, phases) in round.iter().filter(|(row, _)| row.is_podtap()) {
            for (phase, measured) in phases {
                if measured.closing.and_then(|closing| closing.closes) != Some(true) {
                    open.push(format!("round {number}, {}, {phase}", row.name()));
                }
            }
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::closing::Closing;
    use crate::bench::column::COLUMNS;
    use crate::bench::phase::{Measured, Phase};
    use crate::bench::traffic::Traffic;

    fn measured(bytes: f64, closes: Option<bool>) -> Measured {
        Measured {
            traffic: Traffic {
                seconds: 1.0,
                bytes,
                ..Traffic::default()
            },
            cost: None,
            closing: closes.map(|closes| Closing {
                seen: 200,
                lost: 1,
                delivered: 199,
                closes: Some(closes),
            }),
            kernel_time: None,
            others_share: 0.1,
        }
    }

    fn round(untapped: f64, wire: f64, closes: bool) -> Round {
        let phase = Phase::Tcp1.name();
        Round::from([
            (
                Row::Untapped,
                RowMeasured::from([(phase, measured(untapped, None))]),
            ),
            (
                Row::PodtapWire,
                RowMeasured::from([(phase, measured(wire, Some(closes)))]),
            ),
        ])
    }

    fn column(name: &str) -> &'static Column {
        COLUMNS.iter().find(|column| column.name == name).unwrap()
    }

    #[test]
    fn a_ratio_is_taken_within_its_round() {
        // Across rounds, 1 to 4 would be ratios from 0.25 to 2.
        let rounds = [
            round(2.0, 1.0, true),
            round(8.0, 4.0, true),
            round(4.0, 3.0, true),
        ];
        let spread = spread(&rounds, Row::PodtapWire, column("tcp1")).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (0.5, 0.5, 0.75));
    }

    #[test]
    fn what_was_lost_is_a_share_of_what_was_seen() {
        let rounds = [round(2.0, 1.0, true)];
        let lost = |row| spread(&rounds, row, column("lost-tcp1"));
        assert_eq!(lost(Row::PodtapWire).unwrap().median, 0.5);
        assert_eq!(lost(Row::Untapped), None);
    }

    #[test]
    fn a_ledger_that_does_not_close_is_named() {
        let rounds = [round(2.0, 1.0, true), round(2.0, 1.0, false)];
        assert_eq!(open_ledgers(&rounds), ["round 2, wire, tcp1"]);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let spread = Spread::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
