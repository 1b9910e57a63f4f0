//! One line out of an error and its causes.

use std::{error::Error, fmt::Write};

/// The error and its causes, `: ` between them. A cause that its effect names
/// already is left out, a line feed becomes a blank, and of a text as long as
/// a verifier's log only the first 400 characters are kept.
#[must_use]
pub fn one_line(error: &(dyn Error + 'static)) -> String {
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
        .take(400)
        .collect()
}
