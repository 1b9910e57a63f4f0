//! An HTTP server that gives one answer.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::bench::stage::{POD_ADDRESS, Stage};

/// Bytes of each answer's body.
pub(super) const BODY_BYTES: usize = 1024;
/// Threads that accept: more than CPUs, since one may wait for its client.
const THREADS: usize = 16;
/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(5);

/// It ends when it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Server {
    /// Listens in the pod.
    pub(super) fn start(stage: &Stage) -> Result<Self> {
        let listener = stage
            .pod
            .inside(|| Ok(TcpListener::bind((POD_ADDRESS, 0))?))
            .context("cannot listen in the pod")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for _ in 0..THREADS {
            let (listener, stop) = (listener.try_clone()?, Arc::clone(&stop));
            threads.push(thread::spawn(move || serve(&listener, &stop)));
        }
        // `shutdown` makes `accept` return on Linux.
        let wake = Box::new(move || {
            let how = nix::sys::socket::Shutdown::Both;
            let _ = nix::sys::socket::shutdown(std::os::fd::AsRawFd::as_raw_fd(&listener), how);
        });
        Ok(Self {
            address,
            stop,
            threads,
            wake,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        (self.wake)();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, stop: &AtomicBool) {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\nConnection: close\r\n\r\n")
            .into_bytes();
    answer.resize(answer.len() + BODY_BYTES, b'x');
    while !stop.load(Ordering::Acquire) {
        if let Ok((mut stream, _)) = listener.accept() {
            // A client that failed says so itself.
            let _ = reply(&mut stream, &answer);
        }
    }
}

fn reply(stream: &mut TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let mut request = [0; 1024];
    let mut len = 0;
    while !request
        .get(..len)
        .unwrap_or_default()
        .ends_with(b"\r\n\r\n")
    {
        match stream.read(request.get_mut(len..).unwrap_or_default())? {
            0 => return Ok(()),
            read => len += read,
        }
    }
    stream.write_all(answer)
}
