//! What was measured, in a table.

use std::fmt::Write as _;

/// Values of each measure, in the order in which it first came.
#[derive(Default)]
pub(crate) struct Figures(Vec<(String, Vec<f64>)>);

impl Figures {
    pub(crate) fn add(&mut self, measure: &str, value: f64) {
        match self.0.iter_mut().find(|(name, _)| name == measure) {
            Some((_, values)) => values.push(value),
            None => self.0.push((measure.to_owned(), vec![value])),
        }
    }

    /// Median and range; of many values the 99th percentile too.
    pub(crate) fn table(&self) -> String {
        let mut text = "| | median | range | p99 | values |\n|---|---|---|---|---|\n".to_owned();
        for (name, values) in &self.0 {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let quantile = |of: f64| sorted[((sorted.len() - 1) as f64 * of).round() as usize];
            let p99 = if sorted.len() < 20 {
                "–".into()
            } else {
                format!("{:.2}", quantile(0.99))
            };
            writeln!(
                text,
                "| {name} | {:.2} | {:.2}–{:.2} | {p99} | {} |",
                quantile(0.5),
                quantile(0.0),
                quantile(1.0),
                sorted.len()
            )
            .expect("text");
        }
        text
    }
}
