//! A node with one pod, a scripted API server, and an agent that serves HTTP.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::symlink,
    path::PathBuf,
    process::Command,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{DEADLINE, Residue, Running, TestNetns, Veth, eventually, podtap, run};
use tokio::sync::oneshot;

use crate::kube_api::{ApiServer, Mode};

/// Where the agent's pages are, in the node's namespace.
pub(crate) const ADDRESS: &str = "127.0.0.1:9555";
const TAP: &str = "podtap0";

/// The node; its network namespace is also the agent's.
pub(crate) struct Stage {
    pub(crate) node: Arc<TestNetns>,
    /// What the pod `web` lives in.
    pub(crate) veth: Veth,
    pub(crate) api: Arc<ApiServer>,
    folder: TempDir,
    serving: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// A page as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Stage {
    /// The API server has only just started.
    pub(crate) fn new() -> Self {
        let node = Arc::new(TestNetns::new());
        let veth = Veth::ipv4_only();
        // A neighbour that is known is not asked for again (5 s later, else):
        // what passes was sent by a test.
        for end in [&veth.pod, &veth.peer] {
            let delay = "ipv4/neigh/eth0/delay_first_probe_time";
            end.netns.sysctl(delay, "600");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let (api, serving) = serve_api(&node);
        api.set_mode(Mode::Starting);
        let stage = Self {
            node,
            veth,
            api,
            folder,
            serving: Some(serving),
        };
        stage.make_proc();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": stage.api.url()}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "users": [{"name": "test", "user": {}}],
        });
        fs::write(stage.path("kubeconfig"), kubeconfig.to_string()).expect("a file");
        stage
    }

    /// The node's processes: init, for which this process stands, and one of
    /// the pod `web`.
    fn make_proc(&self) {
        let own = format!("/proc/{}/ns/net", std::process::id());
        let web = format!("0::/kubepods/pod{}/c\n", uid(1));
        for (pid, cgroup, netns) in [
            (1, "0::/init.scope\n", PathBuf::from(&own)),
            (100, &*web, self.veth.pod.netns.path()),
        ] {
            let process = self.path("proc").join(pid.to_string());
            fs::create_dir_all(process.join("ns")).expect("a folder");
            fs::write(process.join("cgroup"), cgroup).expect("a file");
            symlink(netns, process.join("ns/net")).expect("a link");
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command that runs the agent.
    pub(crate) fn agent(&self) -> Command {
        let mut command = podtap();
        command
            .args(["agent", "--tap", TAP, "--node", "n1", "--http", ADDRESS])
            .arg("--kubeconfig")
            .arg(self.path("kubeconfig"))
            .arg("--proc")
            .arg(self.path("proc"))
            .arg("--socket")
            .arg(self.path("agent.sock"))
            .env_remove("PODTAP_LOG");
        command
    }

    /// An agent that runs.
    pub(crate) fn start(&self, command: &mut Command) -> Running {
        self.node
            .inside(|| Running::start(command, "the agent runs"))
    }

    /// Runs `podtap log`: whether that was a success, and what it said.
    pub(crate) fn log(&self, directives: &[&str]) -> (bool, String) {
        let mut command = podtap();
        command.arg("log").args(directives);
        command.arg("--socket").arg(self.path("agent.sock"));
        let output = run(&mut command);
        let said = String::from_utf8(output.stderr).expect("text");
        (output.status.success(), said)
    }

    /// Asks for one of the agent's pages.
    pub(crate) fn get(&self, path: &str) -> Answer {
        let text = self.node.inside(|| {
            let mut stream = TcpStream::connect(ADDRESS).expect("a connection");
            stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
            let request = format!("GET {path} HTTP/1.1\r\nhost: podtap\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("to send");
            let mut text = String::new();
            stream.read_to_string(&mut text).expect("text");
            text
        });
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).expect("a status");
        Answer {
            status: status.parse().expect("a number"),
            body: body.to_owned(),
        }
    }

    /// The value of a series, its labels as they are written; 0 if it is not
    /// there.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let page = self.get("/metrics");
        assert_eq!(page.status, 200, "{}", page.body);
        value(&page.body, series)
    }

    /// Waits until a series has this value.
    pub(crate) fn wait_for_metric(&self, series: &str, expected: u64) {
        eventually(&format!("{series} is {expected}"), || {
            (self.metric(series) == expected).then_some(())
        });
    }

    /// A pod of the node that wants to be tapped.
    pub(crate) fn pod(&self, name: &str, number: u8) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": "shop",
                "uid": uid(number),
                "labels": {"podtap.dev/tap": "true"},
            },
            "spec": {"nodeName": "n1", "containers": []},
            "status": {"phase": "Running", "podIP": self.veth.pod.ipv4.to_string()},
        })
    }

    /// Ends the agent in order; nothing is left but the tap for its sensor.
    pub(crate) fn stop(mut self, mut agent: Running) -> String {
        agent.signal(Signal::SIGTERM);
        let (success, log) = agent.wait();
        assert!(success, "{log}");
        let address: SocketAddr = ADDRESS.parse().expect("an address");
        let refused = self.node.inside(|| TcpStream::connect(address));
        assert!(refused.is_err(), "still listening");
        self.node.run(&format!("ip link del {TAP}"));
        Residue::assert_none(&[&self.node, &self.veth.pod.netns]);
        self.end_api();
        log
    }

    fn end_api(&mut self) {
        if let Some((stop, serving)) = self.serving.take() {
            let _ = stop.send(());
            let _ = serving.join();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.end_api();
    }
}

fn uid(number: u8) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

/// The value of a series on a page; 0 if it is not there.
pub(crate) fn value(page: &str, series: &str) -> u64 {
    let found = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.map_or(0, |value| value.parse().expect("a number"))
}

/// Runs the API server in the node's namespace, on a thread of its own.
fn serve_api(node: &Arc<TestNetns>) -> (Arc<ApiServer>, (oneshot::Sender<()>, JoinHandle<()>)) {
    let (stop, stopped) = oneshot::channel();
    let (sender, receiver) = mpsc::channel();
    let node = Arc::clone(node);
    let serve = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let api = Arc::new(ApiServer::start().await);
            sender.send(api).expect("the test");
            let _ = stopped.await;
        });
    };
    let serving = thread::spawn(move || node.inside(serve));
    let api = receiver.recv().expect("the API server");
    (api, (stop, serving))
}
