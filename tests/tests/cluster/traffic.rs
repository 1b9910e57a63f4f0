//! Requests of a pod's web server, from inside a network namespace: they need
//! neither kubectl nor the API server.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    path::Path,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tap_userspace::adapter::netns::Netns;
use xtask::cluster::{Machine, proc::Process};

use crate::pod::Pod;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two steady requests.
const PAUSE: Duration = Duration::from_millis(10);

/// Whose network a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Client(Process);

impl Client {
    /// A machine's own.
    pub fn on(machine: &Machine) -> Self {
        Self(Process(machine.pid()))
    }

    /// A pod's own.
    pub fn of(pod: &Pod) -> Result<Self> {
        let processes = pod.processes();
        let process = processes.first().context("the pod has no process")?;
        Ok(Self(*process))
    }

    /// Connects to a pod's server and says nothing.
    pub fn call(self, server: &Pod) -> Result<TcpStream> {
        let address = SocketAddr::new(server.ip.parse::<IpAddr>()?, 80);
        let netns = Netns::of_process(Path::new("/proc"), self.0.0)?;
        let stream = netns.inside(|| TcpStream::connect_timeout(&address, PATIENCE))??;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Asks a pod's server for a path; returns the answer's status.
    pub fn get(self, server: &Pod, path: &str) -> Result<u16> {
        let mut stream = self.call(server)?;
        stream.write_all(format!("GET /{path} HTTP/1.0\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer
            .split(' ')
            .nth(1)
            .context("no status in the answer")?;
        Ok(status.parse()?)
    }

    /// Asks for the first page, which is there.
    pub fn expect_page(self, server: &Pod) -> Result<()> {
        let status = self.get(server, "")?;
        ensure!(status == 200, "the answer's status is {status}");
        Ok(())
    }

    /// Asks for the first page again and again, until the end of what is
    /// returned.
    pub fn steadily(self, server: &Pod) -> Steady {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = {
            let server = server.clone();
            thread::spawn(move || {
                while stopped.recv_timeout(PAUSE) == Err(mpsc::RecvTimeoutError::Timeout) {
                    self.expect_page(&server)?;
                }
                Ok(())
            })
        };
        Steady { stop, thread }
    }
}

/// Requests that go on in the background.
pub struct Steady {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl Steady {
    /// Ends them; an error if one of them was not answered well.
    pub fn finish(self) -> Result<()> {
        drop(self.stop);
        self.thread.join().expect("the thread of the requests")
    }
}
