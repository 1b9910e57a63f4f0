//! What the verifier may need for each program on each kernel, as it is
//! written down in `xtask/kernels-budget.json`.
//!
//! A program that the verifier has to walk much further through than before is
//! one that the next small change makes an old kernel refuse. So growth has to
//! be meant: whoever changes the file says why beside the number.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::build::workspace;

/// Growth that needs no explanation, in percent: other compilers differ by it.
const SLACK_PERCENT: u64 = 10;

const FILE: &str = "xtask/kernels-budget.json";

/// The figures of one program on one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    /// Its name in the object.
    pub(super) program: String,
    /// Instructions that the verifier walked through.
    pub(super) instructions: u64,
    /// Stack of all its functions.
    pub(super) stack_bytes: u64,
    /// Who told the instructions.
    pub(super) source: String,
}

/// What is written down.
#[derive(Debug)]
pub(super) struct Budget(Value);

impl Budget {
    /// Reads the file.
    pub(super) fn read() -> Result<Self> {
        let path = workspace().join(FILE);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        Ok(Self(value))
    }

    #[cfg(test)]
    pub(super) fn of_value(value: Value) -> Self {
        Self(value)
    }

    /// Instructions and bytes of stack that a program may need.
    pub(super) fn of(&self, series: &str, program: &str) -> Option<(u64, u64)> {
        let entry = self.0.get(series)?.get(program)?;
        Some((
            entry.get("instructions")?.as_u64()?,
            entry.get("stack_bytes")?.as_u64()?,
        ))
    }

    /// What is wrong with a program's figures, if anything is.
    pub(super) fn complaint(&self, series: &str, figures: &Figures) -> Option<String> {
        let Figures {
            program,
            instructions,
            stack_bytes,
            ..
        } = figures;
        let entry = format!(
            "\"{program}\": {{ \"instructions\": {instructions}, \"stack_bytes\": {stack_bytes}, \
             \"why\": \"...\" }}"
        );
        let Some((instructions_budget, stack_budget)) = self.of(series, program) else {
            return Some(format!("{FILE} has no {program} for {series}: add {entry}"));
        };
        let grown = [
            ("instructions", *instructions, instructions_budget),
            ("bytes of stack", *stack_bytes, stack_budget),
        ]
        .into_iter()
        .filter(|(_, now, before)| now * 100 > before * (100 + SLACK_PERCENT))
        .map(|(what, now, before)| format!("from {before} to {now} {what}"))
        .collect::<Vec<_>>();
        (!grown.is_empty()).then(|| {
            format!(
                "{program} grew {}: if it is worth it, say why in {FILE}, {series}: {entry}",
                grown.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn complaint(instructions: u64, stack_bytes: u64) -> Option<String> {
        let entry = json!({ "instructions": 1000, "stack_bytes": 100 });
        let budget = Budget(json!({ "6.1": { "podtap_in": entry } }));
        let figures = Figures {
            program: "podtap_in".into(),
            instructions,
            stack_bytes,
            source: String::new(),
        };
        budget.complaint("6.1", &figures)
    }

    #[test]
    fn ten_percent_more_is_no_growth() {
        assert_eq!(complaint(1100, 110), None);
        assert_eq!(complaint(10, 10), None);
    }

    #[test]
    fn growth_is_told_with_what_to_write() {
        let text = complaint(1101, 100).unwrap();
        assert!(text.contains("from 1000 to 1101 instructions"), "{text}");
        assert!(text.contains("\"instructions\": 1101"), "{text}");
        assert!(!text.contains("bytes of stack"), "{text}");
        assert!(
            complaint(1000, 111)
                .unwrap()
                .contains("from 100 to 111 bytes of stack")
        );
    }

    #[test]
    fn a_program_without_a_budget_is_told() {
        let budget = Budget(json!({}));
        let figures = Figures {
            program: "new".into(),
            instructions: 1,
            stack_bytes: 0,
            source: String::new(),
        };
        assert!(
            budget
                .complaint("6.1", &figures)
                .unwrap()
                .contains("has no new")
        );
    }
}
