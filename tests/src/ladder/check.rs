//! One check: what it says, and how long it may take.

use std::{
    any::Any,
    fmt,
    io::Write as _,
    panic::{self, AssertUnwindSafe},
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::threads;

/// Without hardware virtualization a check takes seconds; one that takes this
/// long will not end.
const LIMIT: Duration = Duration::from_secs(90);

/// Where and why the last panic happened.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Says `Ok` with what it measured, or why it cannot be done on this kernel;
/// panics with what is wrong.
pub(crate) type Check = Box<dyn FnOnce() -> Result<String, Skipped> + Send>;

/// Why a check has no meaning on this kernel.
#[derive(Debug)]
pub(crate) struct Skipped(pub(crate) String);

/// How a check ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With a few words on what was seen, and how long it took.
    Ok(String, Duration),
    Failed(String),
    Skipped(String),
}

/// Runs one check, on a thread of its own so that a hang is an answer too.
pub(crate) fn run(check: Check) -> Outcome {
    let (done, ended) = mpsc::channel();
    let started = Instant::now();
    thread::spawn(move || {
        // Nothing of a check that panicked is looked at afterwards.
        let outcome = panic::catch_unwind(AssertUnwindSafe(check));
        // The receiver is gone if this came too late.
        let _ = done.send(outcome);
    });
    match ended.recv_timeout(LIMIT) {
        Ok(Ok(Ok(seen))) => Outcome::Ok(seen, started.elapsed()),
        Ok(Ok(Err(Skipped(why)))) => Outcome::Skipped(why),
        Ok(Err(cause)) => Outcome::Failed(reason(&*cause)),
        Err(_) => {
            for thread in threads::waiting() {
                say("thread", &thread);
            }
            Outcome::Failed(format!("it was not done after {} s", LIMIT.as_secs()))
        }
    }
}

/// Keeps the standard panic message, several lines long, off the console and
/// remembers its parts.
pub(crate) fn silence_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, ToString::to_string);
        let text = format!("{} ({place})", text_of(panic.payload()));
        *PANIC.lock().expect("no panic in a panic") = Some(text);
    }));
}

/// Says one line to whoever reads the console.
pub(crate) fn say(kind: &str, text: &str) {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut console = std::io::stdout().lock();
    // Nobody else can be told.
    let _ = writeln!(console, "ladder {kind} {line}");
    let _ = console.flush();
}

fn reason(cause: &(dyn Any + Send)) -> String {
    let noted = PANIC.lock().expect("no panic in a panic").take();
    noted.unwrap_or_else(|| text_of(cause).to_owned())
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok(seen, took) => write!(f, "ok ({seen}; {:.1} s)", took.as_secs_f64()),
            Self::Failed(why) => write!(f, "FAILED {why}"),
            Self::Skipped(why) => write!(f, "skipped {why}"),
        }
    }
}
