//! A Prometheus in the cluster's network.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tap_userspace::adapter::netns::Netns;
use tempfile::TempDir;
use xtask::{cluster::Cluster, process::wait_for};

use crate::LIMIT;

/// Where it listens, on the loopback of the control plane's machine.
const ADDRESS: &str = "127.0.0.1:9090";

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A Prometheus; it ends with this.
pub struct Prometheus<'a> {
    cluster: &'a Cluster,
    process: Child,
    folder: TempDir,
}

impl<'a> Prometheus<'a> {
    /// Starts one, with this configuration and a file `rules.yaml` beside it,
    /// and waits until it answers.
    pub fn start(cluster: &'a Cluster, binary: &Path, config: &str, rules: &str) -> Result<Self> {
        let folder = tempfile::tempdir_in(cluster.layout().workspace().join("target"))?;
        let file = |name: &str| folder.path().join(name);
        fs::write(file("prometheus.yaml"), config)?;
        fs::write(file("rules.yaml"), rules)?;
        let log = File::create(file("log"))?;
        let process = Command::new("nsenter")
            .arg(format!("--net={}", cluster.control().netns().display()))
            .arg(binary)
            .arg(flag("config.file", &file("prometheus.yaml")))
            .arg(flag("storage.tsdb.path", &file("data")))
            .arg(format!("--web.listen-address={ADDRESS}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut this = Self {
            cluster,
            process,
            folder,
        };
        wait_for("Prometheus", LIMIT, || {
            if let Some(status) = this.process.try_wait()? {
                let log = fs::read_to_string(this.folder.path().join("log"))?;
                return Ok(Some(Err(anyhow::anyhow!("it ended, {status}:\n{log}"))));
            }
            this.get("/-/ready").map(|_| Some(Ok(())))
        })??;
        Ok(this)
    }

    /// What a query gives: labels and value of each series.
    pub fn query(&self, query: &str) -> Result<Vec<(Value, f64)>> {
        let path = format!("/api/v1/query?query={}", percent_encoded(query));
        let result = self.data(&path)?["result"].take();
        let series = result.as_array().context("no list of series")?;
        let one = |series: &Value| {
            let value = series["value"][1].as_str().context("no value")?;
            Ok((series["metric"].clone(), value.parse()?))
        };
        series.iter().map(one).collect()
    }

    /// The alerts of this name that fire.
    pub fn firing(&self, name: &str) -> Result<Vec<Value>> {
        let mut alerts = self.data("/api/v1/alerts")?["alerts"].take();
        let alerts = alerts.as_array_mut().context("no list of alerts")?;
        alerts.retain(|alert| alert["labels"]["alertname"] == name && alert["state"] == "firing");
        Ok(std::mem::take(alerts))
    }

    fn data(&self, path: &str) -> Result<Value> {
        let answer = self.get(path)?;
        let mut answer: Value = serde_json::from_str(&answer).with_context(|| answer.clone())?;
        ensure!(answer["status"] == "success", "{path}: {answer}");
        Ok(answer["data"].take())
    }

    fn get(&self, path: &str) -> Result<String> {
        let netns = Netns::of_process(Path::new("/proc"), self.cluster.control().pid())?;
        let mut stream = netns.inside(|| TcpStream::connect(ADDRESS))??;
        stream.set_read_timeout(Some(PATIENCE))?;
        // In HTTP/1.0 the answer is in one piece.
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
        let status = head.lines().next().unwrap_or_default();
        ensure!(status.contains(" 200 "), "{path}: {status}: {body}");
        Ok(body.to_owned())
    }
}

impl Drop for Prometheus<'_> {
    fn drop(&mut self) {
        // nsenter has become it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
