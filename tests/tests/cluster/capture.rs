//! `podtap capture --pod`, typed on a node by someone with a kubeconfig.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tests::Running;
use xtask::cluster::{Cluster, Node, proc::Process};

use crate::{kernel, namespace::Namespace, pod::Pod, traffic::Client};

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_pods_packets_are_captured_to_a_file_on_its_node() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "capture")?;
    let node = &cluster.nodes()[0];
    let web = namespace.web("web", &[])?;
    let other = namespace.web("other", &[])?;
    let client = Client::on(node.machine());

    let folder = tempfile::tempdir_in(cluster.layout().workspace().join("target"))?;
    let file = folder.path().join("web.pcapng");
    let capture = Capture::start(&cluster, node, &web, &file)?;
    assert_eq!(kernel::attached(&web)?, kernel::tapped_once());
    for server in [&other, &web] {
        client.get(server, "captured")?;
    }
    let said = capture.end()?;
    assert!(
        said.contains("ledger closes") && said.contains("\n0 packets dropped"),
        "{said}"
    );
    assert_eq!(kernel::attached(&web)?, kernel::UNTAPPED, "left attached");

    let read = |filter: &str| read(&file, filter, &["frame.number"]);
    let captured = said
        .lines()
        .find_map(|line| line.strip_suffix(" packets captured"));
    assert_eq!(
        captured.context("no count")?,
        read("")?.len().to_string(),
        "{said}"
    );
    assert_eq!(
        read("http.request.uri == \"/captured\" && tcp.checksum.status == 1")?.len(),
        1
    );
    assert_eq!(read("tcp.flags.syn == 1 && tcp.flags.ack == 0")?.len(), 1);
    assert_eq!(
        read(&format!("ip.addr == {}", other.ip))?.len(),
        0,
        "another pod's packets"
    );
    Ok(())
}

/// One line, and nothing half-made.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_capture_that_cannot_be_says_why_in_one_line() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "no-capture")?;
    let node = &cluster.nodes()[0];
    let away = namespace.start(&namespace.manifest("away", 1, &[]))?;
    let name = |pod: &str| format!("{}/{pod}", namespace.name());
    let admin = cluster.layout().kubeconfig();
    let folder = tempfile::tempdir_in(cluster.layout().workspace().join("target"))?;
    let file = folder.path().join("none.pcapng");
    let nobody = folder.path().join("nobody.kubeconfig");
    let garbage = folder.path().join("garbage.kubeconfig");
    fs::write(&garbage, "clusters: [\n")?;
    let gone = folder.path().join("gone.kubeconfig");
    let config = fs::read_to_string(&admin)?;
    fs::write(&gone, config.replace("10.211.0.1:443", "10.211.0.1:444"))?;

    for (pod, kubeconfig, words) in [
        (name("nobody"), &admin, &["no pod", "nobody"][..]),
        (name(&away.name), &admin, &["runs on the node node2"]),
        (
            name(&away.name),
            &nobody,
            &["nobody.kubeconfig", "No such file"],
        ),
        (name(&away.name), &garbage, &["garbage.kubeconfig"]),
        (name(&away.name), &gone, &["10.211.0.1:444"]),
    ] {
        let mut command = command(&cluster, node, &pod, kubeconfig)?;
        let Output {
            status,
            stdout,
            stderr,
        } = tests::run(command.arg("-w").arg(&file));
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("podtap: "), "{said}");
        for word in words {
            assert!(said.contains(word), "no `{word}`: {said}");
        }
        assert!(stdout.is_empty());
        assert!(!file.exists(), "{said}");
    }
    Ok(())
}

/// A capture that runs on a node.
pub struct Capture {
    running: Option<Running>,
    process: Process,
}

impl Capture {
    /// Starts one of a pod of this node, into a file; it captures when this
    /// returns.
    pub fn start(cluster: &Cluster, node: &Node, pod: &Pod, file: &Path) -> Result<Self> {
        let name = format!("{}/{}", pod.namespace, pod.name);
        let mut command = command(cluster, node, &name, &cluster.layout().kubeconfig())?;
        let running = Running::start(command.arg("-w").arg(file), "capturing on eth0");
        let is_it = |process: &Process| {
            let words = process.arguments();
            words[0].ends_with("podtap") && words.contains(&name)
        };
        // Below `nsenter`, which hands no signal on.
        let process = node.machine().processes().into_iter().find(is_it);
        Ok(Self {
            running: Some(running),
            process: process.context("no capture runs on the node")?,
        })
    }

    /// Ends it as Ctrl+C does; returns what it said.
    pub fn end(mut self) -> Result<String> {
        let mut running = self.running.take().context("it has ended")?;
        kill(Pid::from_raw(self.process.0.try_into()?), Signal::SIGINT)?;
        let (success, said) = running.wait();
        anyhow::ensure!(success, "{said}");
        Ok(said)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if self.running.is_some()
            && let Ok(process) = self.process.0.try_into()
        {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
    }
}

/// What tshark reads from a file: these fields of each frame that the filter
/// lets through.
pub fn read(file: &Path, filter: &str, fields: &[&str]) -> Result<Vec<String>> {
    let mut command = Command::new("tshark");
    command
        .arg("-n")
        .arg("-r")
        .arg(file)
        .args(["-Y", filter, "-T", "fields"]);
    for sum in ["ip", "tcp"] {
        command.arg("-o").arg(format!("{sum}.check_checksum:TRUE"));
    }
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let lines = xtask::process::output(&mut command)?;
    Ok(lines.lines().map(str::to_owned).collect())
}

fn command(cluster: &Cluster, node: &Node, pod: &str, kubeconfig: &Path) -> Result<Command> {
    let binary = PathBuf::from(tests::podtap().get_program());
    // The machine has the workspace where this computer has it.
    anyhow::ensure!(
        binary
            .canonicalize()?
            .starts_with(cluster.layout().workspace()),
        "{} is not in the workspace",
        binary.display()
    );
    let mut command = node.machine().command(binary);
    command
        .args(["capture", "--pod", pod, "--kubeconfig"])
        .arg(kubeconfig);
    Ok(command)
}
