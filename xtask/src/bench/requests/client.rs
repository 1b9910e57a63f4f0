//! Clients that ask, each on a thread of its own.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::server::BODY_BYTES;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n";
/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// A thread that waits until a request is due wakes within this.
const TIMER_SLACK_NS: std::ffi::c_ulong = 1000;

/// What was answered.
pub(super) struct Answered {
    /// Of each request, in any order.
    pub(super) latencies_ns: Vec<u64>,
    /// How long all of it took.
    pub(super) seconds: f64,
}

/// Asks for so long: at a rate a second, or each client again as soon as it
/// has its answer. To be called inside the clients' namespace.
pub(super) fn load(
    to: SocketAddr,
    clients: usize,
    rate: Option<f64>,
    time: Duration,
) -> Result<Answered> {
    // Threads of this one are in its namespace too (clone(2)); one that was
    // not would not reach the pod.
    let tickets = AtomicU64::new(0);
    let started = Instant::now();
    let work = || {
        nix::sys::prctl::set_timerslack(TIMER_SLACK_NS).context("cannot set a timer's slack")?;
        let mut latencies_ns = Vec::new();
        loop {
            let due = match rate {
                Some(rate) => {
                    let ticket = tickets.fetch_add(1, Ordering::Relaxed);
                    started + Duration::from_secs_f64(ticket as f64 / rate)
                }
                None => Instant::now(),
            };
            if due >= started + time {
                return Ok(latencies_ns);
            }
            until(due);
            ask(to)?;
            latencies_ns.push(u64::try_from(due.elapsed().as_nanos())?);
        }
    };
    let latencies_ns = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for thread in threads {
            let of_one: Result<Vec<u64>> =
                thread.join().map_err(|_| anyhow!("a client panicked"))?;
            all.extend(of_one?);
        }
        anyhow::Ok(all)
    })?;
    Ok(Answered {
        latencies_ns,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn until(due: Instant) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a request at a given rate is due at a time, not at an event"
    )]
    thread::sleep(due.saturating_duration_since(Instant::now()));
}

/// One connection, from its first packet to its last.
fn ask(to: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, LIMIT).context("cannot connect")?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(REQUEST).context("cannot ask")?;
    let mut answer = [0; 4096];
    let mut len = 0;
    loop {
        match stream.read(&mut answer).context("no answer")? {
            0 => break,
            read => len += read,
        }
    }
    ensure!(len > BODY_BYTES, "an answer of {len} bytes");
    Ok(())
}
