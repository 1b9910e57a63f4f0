//! What every thread of this process waits for: a hang that happens once in a
//! while has to tell its story the first time.

use std::fs;

/// A line a thread: its name, the system call that it is in, and where in the
/// kernel it waits.
pub(crate) fn waiting() -> Vec<String> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    tasks
        .flatten()
        .map(|task| {
            let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            // `[<0>] do_futex+0x1/0x2`, the innermost first.
            let stack: Vec<_> = read("stack")
                .lines()
                .filter_map(|line| line.split_whitespace().nth(1)?.split('+').next())
                .take(8)
                .map(str::to_owned)
                .collect();
            format!(
                "{} in system call {}: {}",
                read("comm").trim_end(),
                read("syscall").split(' ').next().unwrap_or_default(),
                stack.join(" < ")
            )
        })
        .collect()
}
