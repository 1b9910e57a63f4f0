//! The table, in Markdown. The ways to tap stand side by side, and what is
//! said of them below each other: it would be far too wide otherwise.

use std::fmt::Write as _;

use super::column::Column;
use super::results::{Round, Spread, spread};
use super::row::Row;

/// A cell that says nothing.
const NOTHING: &str = "–";

/// Median, and least to most of all rounds.
pub(super) fn table(rounds: &[Round], rows: &[Row], columns: &[&Column]) -> String {
    let mut lines = vec![
        std::iter::once(String::new())
            .chain(rows.iter().map(|row| row.name().to_owned()))
            .collect::<Vec<_>>(),
    ];
    for column in columns {
        let cells = rows
            .iter()
            .map(|row| cell(spread(rounds, *row, column), column.decimals));
        lines.push(
            std::iter::once(column.heading.to_owned())
                .chain(cells)
                .collect(),
        );
    }
    let widths: Vec<usize> = (0..=rows.len())
        .map(|at| {
            let cells = lines.iter().filter_map(|line| line.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text.push_str("|\n");
        }
    }
    text
}

fn cell(spread: Option<Spread>, decimals: usize) -> String {
    let Some(spread) = spread else {
        return NOTHING.into();
    };
    let digits = |value: f64| format!("{value:.decimals$}");
    let (median, min, max) = (
        digits(spread.median),
        digits(spread.min),
        digits(spread.max),
    );
    if min == max {
        median
    } else {
        format!("{median} ({min}–{max})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_the_median_and_the_spread() {
        let spread = |median, min, max| Spread { median, min, max };
        assert_eq!(cell(Some(spread(0.876, 0.8, 0.9)), 2), "0.88 (0.80–0.90)");
        assert_eq!(cell(Some(spread(1.0, 1.001, 0.999)), 2), "1.00");
        assert_eq!(cell(None, 2), NOTHING);
    }
}
