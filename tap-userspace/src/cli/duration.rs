//! Times on the command line.

use std::time::Duration;

/// `500ms`, `30s`, `5m`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("s") => 1000,
        Some("m") => 60 * 1000,
        Some("h") => 60 * 60 * 1000,
        _ => return Err("a number and a unit is wanted: 500ms, 30s, 5m, 2h".into()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("`{digits}` is no number"))?;
    match number.checked_mul(unit_ms) {
        Some(0) => Err("no time at all".into()),
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err("longer than anyone waits".into()),
    }
}
