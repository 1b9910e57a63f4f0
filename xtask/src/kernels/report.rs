//! What one kernel said, and all of them together.

use std::{fmt::Write as _, io::Write as _};

use anyhow::Result;

use super::budget::{Budget, Figures};

/// What the checks' lines on the console begin with.
const MARK: &str = "ladder ";

/// What the checks' program says of one that takes too long.
const HUNG: &str = "it was not done after";

/// One kernel's answers.
#[derive(Debug)]
pub(super) struct Report {
    series: &'static str,
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Whether the checks came to their end.
    done: bool,
    /// Whether a check, or the machine, did not come to its end in time.
    hung: bool,
    programs: Vec<Figures>,
    /// What is wrong beside failed checks.
    problems: Vec<String>,
}

impl Report {
    pub(super) fn new(series: &'static str) -> Self {
        Self {
            series,
            passed: 0,
            failed: 0,
            skipped: 0,
            done: false,
            hung: false,
            programs: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Takes a line of the console, and says at once what a check said.
    pub(super) fn take(&mut self, line: &str) {
        // A message of the kernel may stand before it on the same line.
        let Some((kind, text)) = line
            .split_once(MARK)
            .and_then(|(_, said)| said.split_once(' '))
        else {
            return;
        };
        match kind {
            "kernel" | "thread" => self.say(text),
            "check" => {
                self.say(text);
                if text.contains(": FAILED ") {
                    self.failed += 1;
                    self.hung |= text.contains(HUNG);
                } else if text.contains(": skipped ") {
                    self.skipped += 1;
                } else {
                    self.passed += 1;
                }
            }
            "program" => match figures(text) {
                Some(figures) => self.programs.push(figures),
                None => self.problems.push(format!("unreadable figures: {text}")),
            },
            "done" => self.done = true,
            _ => {}
        }
    }

    /// Notes how the machine ended.
    pub(super) fn end(&mut self, ended: Result<()>) {
        if let Err(error) = ended {
            self.hung = true;
            self.problems.push(format!("{error:#}"));
        } else if !self.done {
            self.problems
                .push("the machine ended before its checks did".into());
        }
    }

    /// Notes which programs outgrew their budget.
    pub(super) fn compare(&mut self, budget: &Budget) {
        let complaints = self
            .programs
            .iter()
            .filter_map(|figures| budget.complaint(self.series, figures));
        self.problems.extend(complaints);
    }

    pub(super) fn is_ok(&self) -> bool {
        self.done && self.failed == 0 && self.passed > 0 && self.problems.is_empty()
    }

    pub(super) fn hung(&self) -> bool {
        self.hung
    }

    /// One line, and one for each problem.
    pub(super) fn verdict(&self) -> String {
        let word = if self.is_ok() { "ok" } else { "FAILED" };
        let mut text = format!(
            "{:6} verdict: {word}: {} passed, {} failed, {} skipped",
            self.series, self.passed, self.failed, self.skipped
        );
        for problem in &self.problems {
            text.push_str("\n       ");
            text.push_str(problem);
        }
        text
    }

    fn say(&self, text: &str) {
        // Whoever closed the pipe wants no more of it.
        let _ = writeln!(std::io::stdout(), "{:6} {text}", self.series);
    }
}

/// The table of the programs, and one line on all checks.
pub(super) fn summary(reports: &[Report], budget: &Budget) -> String {
    let mut text = String::from(
        "\nprogram       kernel  instructions  budget  stack  budget  instructions told by\n",
    );
    for report in reports {
        for figures in &report.programs {
            let (instructions, stack) = budget
                .of(report.series, &figures.program)
                .unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:12}  {:6}  {:12}  {instructions:6}  {:5}  {stack:6}  {}",
                figures.program,
                report.series,
                figures.instructions,
                figures.stack_bytes,
                figures.source,
            );
        }
    }
    let sum = |count: fn(&Report) -> usize| reports.iter().map(count).sum::<usize>();
    let problems = sum(|report| usize::from(!report.is_ok() && report.failed == 0));
    let _ = writeln!(
        text,
        "\n{} passed, {} failed, {} skipped",
        sum(|report| report.passed),
        sum(|report| report.failed) + problems,
        sum(|report| report.skipped)
    );
    text
}

/// `podtap_in 342 96 verifier log`
fn figures(text: &str) -> Option<Figures> {
    let mut words = text.splitn(4, ' ');
    Some(Figures {
        program: words.next()?.into(),
        instructions: words.next()?.parse().ok()?,
        stack_bytes: words.next()?.parse().ok()?,
        source: words.next()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(lines: &[&str]) -> Report {
        let mut report = Report::new("6.1");
        lines.iter().for_each(|line| report.take(line));
        report.end(Ok(()));
        report
    }

    #[test]
    fn checks_are_counted_whatever_stands_before_them() {
        let report = report(&[
            "[    0.1] something else",
            "ladder check a: ok (x; 0.1 s)",
            "[    0.2] eth0: ladder check b: skipped no TCX",
            "ladder program podtap_in 342 96 verifier log",
            "ladder done 0 failed",
        ]);
        assert!(report.is_ok(), "{}", report.verdict());
        assert_eq!((report.passed, report.skipped), (1, 1));
        assert_eq!(report.programs[0].instructions, 342);
        assert_eq!(report.programs[0].source, "verifier log");
    }

    #[test]
    fn a_failed_check_and_an_early_end_are_failures() {
        let failed = report(&["ladder check a: FAILED why", "ladder done 1 failed"]);
        assert!(!failed.is_ok() && failed.problems.is_empty());
        let early = report(&["ladder check a: ok (x; 0.1 s)"]);
        assert!(!early.is_ok());
        assert!(
            early.verdict().contains("before its checks"),
            "{}",
            early.verdict()
        );
    }

    #[test]
    fn outgrown_budgets_are_in_the_verdict() {
        let mut report = report(&[
            "ladder check a: ok (x; 0.1 s)",
            "ladder program podtap_in 342 96 verifier log",
            "ladder done 0 failed",
        ]);
        let budget = json!({ "6.1": { "podtap_in": { "instructions": 300, "stack_bytes": 96 } } });
        report.compare(&Budget::of_value(budget));
        assert!(!report.is_ok());
        assert!(
            report.verdict().contains("from 300 to 342"),
            "{}",
            report.verdict()
        );
    }
}
