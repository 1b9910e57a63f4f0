//! A node without a cluster: a network namespace, pods that are namespaces, a
//! made-up `/proc`, a scripted API server, and the real agent.

mod agent;
mod pod;
mod server;

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{TestNetns, kube_api::ApiServer};
pub use agent::{NODE, NodeAgent, OWN_NAMESPACE, TAP};
pub use pod::ScriptedPod;
use server::Server;

/// The bridge that all pods are on, and the node's own address on it.
pub const BRIDGE: &str = "bridge0";
/// Of pod number n, it is this plus n.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const PREFIX: u8 = 16;
/// The first process of a pod; before are the node's own.
const FIRST_PID: u32 = 100;

/// A node: its network namespace is also the agent's and the API server's.
#[derive(Debug)]
pub struct ScriptedNode {
    /// Its network namespace.
    pub netns: Arc<TestNetns>,
    /// Has the namespaces `shop` and `bank`, and the DaemonSet that agents are
    /// told to be of. Serves.
    pub api: Arc<ApiServer>,
    folder: TempDir,
    pods: AtomicU32,
    pids: AtomicU32,
    /// Last: it ends when nobody uses it any more.
    _server: Server,
}

impl ScriptedNode {
    /// Without pods.
    #[must_use]
    pub fn new() -> Self {
        let netns = Arc::new(TestNetns::new());
        // Nothing passes that no test sends.
        netns.sysctl("ipv6/conf/all/disable_ipv6", "1");
        netns.sysctl("ipv6/conf/default/disable_ipv6", "1");
        netns.run(&format!(
            "ip link add {BRIDGE} type bridge mcast_snooping 0"
        ));
        netns.run(&format!("ip address add {ADDRESS}/{PREFIX} dev {BRIDGE}"));
        netns.run(&format!("ip link set {BRIDGE} up"));
        let (server, api) = Server::start(&netns);
        let node = Self {
            netns,
            api,
            folder: tempfile::tempdir().expect("a folder"),
            pods: AtomicU32::new(0),
            pids: AtomicU32::new(FIRST_PID),
            _server: server,
        };
        for namespace in ["shop", "bank", OWN_NAMESPACE] {
            node.namespace(namespace, &json!({}));
        }
        let set = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": agent::DAEMON_SET, "namespace": OWN_NAMESPACE},
        });
        node.api.put("daemonsets", set);
        fs::create_dir(node.proc()).expect("a folder");
        make_process(&node.proc(), 1, "0::/init.scope\n", &node.netns.path());
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": node.api.url()}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "users": [{"name": "test", "user": {}}],
        });
        fs::write(node.path("kubeconfig"), kubeconfig.to_string()).expect("a file");
        node
    }

    /// Makes a namespace of Kubernetes, or gives one other labels.
    pub fn namespace(&self, name: &str, labels: &Value) {
        let namespace = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": name, "labels": labels},
        });
        self.api.put("namespaces", namespace);
    }

    /// A pod `shop/NAME` is there, with a process, an `eth0` that is up, and
    /// an address. The API server does not know it.
    #[must_use]
    pub fn pod(&self, name: &str) -> ScriptedPod {
        let number = self.number();
        self.pod_at(name, number, address(number))
    }

    /// The same with an address that may be another's.
    #[must_use]
    pub fn pod_with(&self, name: &str, address: Ipv4Addr) -> ScriptedPod {
        self.pod_at(name, self.number(), address)
    }

    /// The same of a pod that has no interface yet but `lo`: see
    /// [`ScriptedNode::connect`].
    #[must_use]
    pub fn unconnected_pod(&self, name: &str) -> ScriptedPod {
        let number = self.number();
        self.pod_without_interface(name, number, address(number))
    }

    /// Gives a pod its `eth0`.
    pub fn connect(&self, pod: &ScriptedPod) {
        let path = pod.end.netns.path();
        self.netns.run(&format!(
            "ip link add pod{} up master {BRIDGE} type veth peer name eth0 netns {}",
            pod.number,
            path.display()
        ));
        // A neighbour that is known is not asked for again (5 s later, else):
        // what passes was sent by a test.
        let delay = "ipv4/neigh/eth0/delay_first_probe_time";
        pod.end.netns.sysctl(delay, "600");
        pod.end.start_in(PREFIX);
    }

    /// Waits until what a pod sends reaches the others.
    pub fn wait_for_carrier(&self, pod: &ScriptedPod) {
        let port = format!("pod{}", pod.number);
        crate::eventually("the port forwards", || {
            let state = self.netns.run(&format!("ip -d link show {port}"));
            state.contains("state forwarding").then_some(())
        });
    }

    /// The node's /proc.
    #[must_use]
    pub fn proc(&self) -> PathBuf {
        self.path("proc")
    }

    fn number(&self) -> u32 {
        self.pods.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn pod_at(&self, name: &str, number: u32, address: Ipv4Addr) -> ScriptedPod {
        let pod = self.pod_without_interface(name, number, address);
        self.connect(&pod);
        pod
    }

    fn pod_without_interface(&self, name: &str, number: u32, address: Ipv4Addr) -> ScriptedPod {
        let mut pod = ScriptedPod::new(self.proc(), name, number, address);
        let netns = pod.end.netns.path();
        self.add_process(&mut pod, &netns);
        pod
    }

    /// Starts one more process of a pod, in this network namespace.
    pub fn add_process(&self, pod: &mut ScriptedPod, netns: &Path) {
        let pid = self.pids.fetch_add(1, Ordering::Relaxed);
        let cgroup = format!("0::/kubepods/besteffort/pod{}/c\n", pod.cgroup_uid);
        make_process(&self.proc(), pid, &cgroup, netns);
        pod.pids.push(pid);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for ScriptedNode {
    fn default() -> Self {
        Self::new()
    }
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(ADDRESS) + number)
}

/// All of a process at once, as the kernel does it.
fn make_process(proc: &Path, pid: u32, cgroup: &str, netns: &Path) {
    let new = proc.join(format!("new-{pid}"));
    fs::create_dir_all(new.join("ns")).expect("a folder");
    fs::write(new.join("cgroup"), cgroup).expect("a file");
    symlink(netns, new.join("ns/net")).expect("a link");
    fs::rename(new, proc.join(pid.to_string())).expect("a process");
}

/// The opposite.
fn end_process(proc: &Path, pid: u32) {
    let gone = proc.join(format!("gone-{pid}"));
    fs::rename(proc.join(pid.to_string()), &gone).expect("a process");
    fs::remove_dir_all(gone).expect("a folder");
}
