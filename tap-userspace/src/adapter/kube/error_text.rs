//! One line for what went wrong with a request.

use std::error::Error as _;

use kube::Error;

/// The API server's own words, or the innermost causes of a request that did
/// not get there. Never more than one line.
pub(super) fn one_line(error: &Error) -> String {
    let text = match error {
        Error::Api(status) if status.message.is_empty() => format!("HTTP {}", status.code),
        Error::Api(status) => format!("{} (HTTP {})", status.message, status.code),
        other => causes(other),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The two innermost causes. Those further out say again what these say.
fn causes(error: &Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    let kept = texts.len().saturating_sub(2);
    let mut line = String::new();
    for text in texts.into_iter().skip(kept) {
        if line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line
}
