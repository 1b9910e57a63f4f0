//! How a command is refused.

use std::process::Output;

/// Panics unless it failed with one line that says why, and wrote nothing.
pub(crate) fn assert_refused<T: std::fmt::Debug>(output: &Output, reason: &str, arguments: &[T]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success(),
        "{arguments:?} succeeded: {stderr}"
    );
    assert!(output.status.code().is_some(), "{arguments:?}: {output:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?}:\n{stderr}");
    assert!(stderr.starts_with("podtap: "), "{arguments:?}: {stderr}");
    assert!(
        stderr.contains(reason),
        "{arguments:?}, not `{reason}`: {stderr}"
    );
}
