//! One line out of an error and its causes.

use std::{error::Error, fmt::Write};

/// The error and its causes, `: ` between them, each line feed a space and
/// what a cause repeats of its effect left out. aya's verifier log would be
/// pages: only its first 300 characters are kept.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            // Writing to a string does not fail.
            let _ = write!(line, ": {text}");
        }
        cause = error.source();
    }
    line.chars()
        .map(|c| if c == '\n' { ' ' } else { c })
        .take(300)
        .collect()
}
