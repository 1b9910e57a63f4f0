//! Running commands: an error names the command line, its exit status and the
//! last lines of its standard error, and a long step is never silent.

use std::io::Write as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How often a step that still runs says so.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many lines of a failed command's standard error are worth reading.
const ERROR_LINES: usize = 15;

/// Does `work` and prints one line with its duration; while it lasts, a line
/// now and then. All of it on standard error: standard output is for results.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let (done, finished) = mpsc::channel::<()>();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(move || {
            while finished.recv_timeout(HEARTBEAT) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("     ...  {what}: {} s so far", started.elapsed().as_secs());
            }
        });
        let outcome = work();
        drop(done);
        outcome
    });
    let seconds = started.elapsed().as_secs_f64();
    match &outcome {
        Ok(_) => eprintln!("{seconds:6.1} s  {what}"),
        Err(_) => eprintln!("{seconds:6.1} s  {what}: failed"),
    }
    outcome.with_context(|| format!("{what} failed"))
}

/// Runs a command to its end; its output is shown only if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a command and returns its standard output.
pub fn output(command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null());
    let output = command.output().with_context(|| line(command))?;
    check(command, output.status, &output.stderr)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command with `input` on its standard input.
pub fn output_with_input(command: &mut Command, input: &[u8]) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| line(command))?;
    let mut stdin = child.stdin.take().context("no pipe to the command")?;
    let output = std::thread::scope(|scope| {
        // Written beside the reading: a command that answers before it has
        // read everything would block both sides. One that ends early closes
        // the pipe; its exit status tells why.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output()
    })?;
    check(command, output.status, &output.stderr)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command on the caller's own terminal and returns how it ended.
pub fn interactive(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| line(command))
}

/// Asks again and again until `ready` returns something, or `limit` is over;
/// then the last reason is the error.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        let reason = match ready() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if started.elapsed() > limit {
            let error = reason.unwrap_or_else(|| anyhow::anyhow!("not so yet"));
            return Err(error.context(format!("waited {} s for {what}", limit.as_secs())));
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "other programs tell nobody when they are ready"
        )]
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn check(command: &Command, status: ExitStatus, stderr: &[u8]) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = stderr.trim_end().lines().collect();
    let last = lines
        .get(lines.len().saturating_sub(ERROR_LINES)..)
        .unwrap_or_default();
    bail!("{}: {status}\n{}", line(command), last.join("\n"));
}

/// The command as one would type it, shortened when it is very long.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let mut line = words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    if let Some((cut, _)) = line.char_indices().nth(300) {
        line.truncate(cut);
        line.push_str(" ...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_command_status_and_stderr() {
        let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("sh -c") && text.contains("exit status: 3") && text.contains("why"),
            "{text}"
        );
    }

    #[test]
    fn input_larger_than_a_pipe_comes_back_whole() {
        let input = vec![b'x'; 1 << 20];
        let back = output_with_input(&mut Command::new("cat"), &input).unwrap();
        assert_eq!(back.len(), input.len());
    }

    #[test]
    fn waiting_ends_with_the_last_reason() {
        let error = wait_for::<()>("rain", Duration::ZERO, || bail!("dry")).unwrap_err();
        assert!(format!("{error:#}").contains("dry"));
    }
}
