//! Bulk TCP to the pod, by iperf3.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::stage::{POD_ADDRESS, Stage};
use super::traffic::Traffic;
use crate::process::{output, wait_for};

/// What to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bulk {
    /// Connections at once.
    pub(super) streams: u8,
    /// Bits a second of each; 0 is as fast as it goes.
    pub(super) pace_bits: u64,
}

/// How long the server may take to end after its client.
const LIMIT: Duration = Duration::from_secs(10);

impl Bulk {
    /// Sends for so long and returns what arrived.
    pub(super) fn run(self, stage: &Stage, seconds: u32) -> Result<Traffic> {
        let mut server = Server::start(stage)?;
        let text = stage.node.inside(|| {
            let mut client = Command::new("iperf3");
            client.args(["--json", "--client", &POD_ADDRESS.to_string()]);
            client.args(["--time", &seconds.to_string()]);
            client.args(["--parallel", &self.streams.to_string()]);
            client.args(["--bitrate", &self.pace_bits.to_string()]);
            output(&mut client)
        })?;
        server.wait()?;
        received(&text)
    }
}

/// What the receiver counted.
fn received(json: &str) -> Result<Traffic> {
    let report: Value = serde_json::from_str(json).context("iperf3 wrote no JSON")?;
    let field = |name: &str| {
        report
            .pointer(&format!("/end/sum_received/{name}"))
            .and_then(Value::as_f64)
            .with_context(|| format!("iperf3 reports no end.sum_received.{name}"))
    };
    Ok(Traffic {
        seconds: field("seconds")?,
        bytes: field("bytes")?,
        ..Traffic::default()
    })
}

/// An iperf3 for one client; killed when it is dropped.
struct Server(Child);

impl Server {
    fn start(stage: &Stage) -> Result<Self> {
        let mut command = Command::new("iperf3");
        command
            .args(["--server", "--one-off", "--forceflush"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = stage.pod.spawn(&mut command)?;
        let stdout = child.stdout.take().context("no pipe to iperf3")?;
        let this = Self(child);
        let mut lines = BufReader::new(stdout).lines();
        let listens = lines.any(|line| line.is_ok_and(|line| line.contains("listening")));
        if !listens {
            bail!("iperf3 --server does not listen");
        }
        // Its report fits into the pipe: nobody reads on.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(this)
    }

    fn wait(&mut self) -> Result<()> {
        wait_for("iperf3's end", LIMIT, || Ok(self.0.try_wait()?)).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended, unless something went wrong.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrived_is_read_from_iperf3s_report() {
        let json = r#"{"end": {"sum_sent": {"bytes": 9, "seconds": 1},
                               "sum_received": {"bytes": 8, "seconds": 2}}}"#;
        let traffic = received(json).unwrap();
        assert_eq!((traffic.bytes, traffic.seconds), (8.0, 2.0));
        assert!(received("{}").is_err());
    }
}
