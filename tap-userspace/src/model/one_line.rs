//! One line out of an error and its causes.

use std::{error::Error, fmt::Write};

/// Characters that are kept of the beginning and of the end of a text as long
/// as a verifier's log, which says last what it did not like.
const BEGINNING: usize = 160;
const END: usize = 340;

/// The error and its causes, `: ` between them. A cause that its effect names
/// already is left out, a line feed becomes a blank, and of a long text only
/// the beginning and the end are kept.
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
    let count = line.chars().count();
    let mut characters = line
        .trim_end()
        .chars()
        .map(|c| if c == '\n' { ' ' } else { c });
    if count <= BEGINNING + END {
        return characters.collect();
    }
    let beginning: String = characters.by_ref().take(BEGINNING).collect();
    let end: String = characters.skip(count - BEGINNING - END).collect();
    format!("{beginning} ... {end}")
}

#[cfg(test)]
mod tests {
    use super::{BEGINNING, END, one_line};

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(String);

    #[test]
    fn of_a_long_text_the_beginning_and_the_end_are_kept() {
        let text = format!(
            "refused:\n{}\nR1 is no scalar",
            "0: (bf) r8 = r1\n".repeat(1000)
        );
        let line = one_line(&Said(text));
        assert!(line.starts_with("refused: 0: (bf)"), "{line}");
        assert!(line.ends_with("R1 is no scalar"), "{line}");
        assert!(line.chars().count() <= BEGINNING + END + 5, "{line}");
    }

    #[test]
    fn a_short_text_is_kept_whole() {
        let line = one_line(&Said("no such\nthing".into()));
        assert_eq!(line, "no such thing");
    }
}
