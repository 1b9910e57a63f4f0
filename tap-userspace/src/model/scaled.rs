//! Numbers for people.

/// Three digits at least, and the unit's prefix: `999 `, `1.23 k`, `12.3 M`.
#[must_use]
pub fn scaled(number: u64) -> String {
    let mut unit: u64 = 1;
    let mut prefixes = ["", "k", "M", "G", "T", "P"].into_iter();
    let mut prefix = prefixes.next().unwrap_or_default();
    // By what is printed: 999,500 is 1.00 M and not 1000 k.
    while number >= unit.saturating_mul(1000) - unit / 2 {
        let Some(next) = prefixes.next() else {
            break;
        };
        prefix = next;
        unit *= 1000;
    }
    if unit == 1 {
        return format!("{number} ");
    }
    let rounded = |parts: u128| {
        let unit = u128::from(unit);
        (u128::from(number) * parts + unit / 2) / unit
    };
    match (rounded(100), rounded(10), rounded(1)) {
        (hundredths @ ..1000, _, _) => {
            format!("{}.{:02} {prefix}", hundredths / 100, hundredths % 100)
        }
        (_, tenths @ ..1000, _) => format!("{}.{} {prefix}", tenths / 10, tenths % 10),
        (_, _, whole) => format!("{whole} {prefix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn numbers_are_short_and_not_far_off() {
        for (number, text) in [
            (0, "0 "),
            (999, "999 "),
            (1000, "1.00 k"),
            (1234, "1.23 k"),
            (9999, "10.0 k"),
            (12_345, "12.3 k"),
            (123_456, "123 k"),
            (999_499, "999 k"),
            (999_500, "1.00 M"),
            (9_400_000_000, "9.40 G"),
            (u64::MAX, "18447 P"),
        ] {
            assert_eq!(scaled(number), text, "{number}");
        }
    }
}
