//! Where the traffic runs: two network namespaces without names, joined by a
//! veth. They go with this process, however it ends.

use std::{
    fs::{self, File},
    io,
    net::Ipv4Addr,
    os::fd::AsRawFd as _,
    process::{Child, Command},
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use nix::sched::{CloneFlags, setns, unshare};

use crate::process::run;

/// The node's end.
pub(super) const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// The pod's end, which is tapped.
pub(super) const POD_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// The veth's name at both ends.
pub(super) const INTERFACE: &str = "eth0";

/// A network namespace.
#[derive(Debug)]
pub(super) struct Namespace(File);

/// The two of them.
#[derive(Debug)]
pub(super) struct Stage {
    /// Where senders, clients and podtap's tap are.
    pub(super) node: Namespace,
    /// Where receivers and servers are.
    pub(super) pod: Namespace,
}

impl Stage {
    /// Makes both, with the veth up and its addresses set.
    pub(super) fn set_up() -> Result<Self> {
        let stage = Self {
            node: Namespace::new()?,
            pod: Namespace::new()?,
        };
        let pod = stage.pod.path();
        stage.node.ip(&format!(
            "link add {INTERFACE} type veth peer name {INTERFACE} netns {pod}"
        ))?;
        for (namespace, address) in [(&stage.node, NODE_ADDRESS), (&stage.pod, POD_ADDRESS)] {
            namespace.ip(&format!("address add {address}/24 dev {INTERFACE}"))?;
            namespace.ip(&format!("link set {INTERFACE} up"))?;
        }
        Ok(stage)
    }
}

impl Namespace {
    fn new() -> Result<Self> {
        let file = thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            // All of it is about this thread's namespace. Without IPv6 no
            // packet is there but those that are measured; many short
            // connections want many ports.
            fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").or_else(absent)?;
            fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").or_else(absent)?;
            fs::write("/proc/sys/net/ipv4/ip_local_port_range", "10000 65535")?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        })
        .join()
        .map_err(|_| anyhow!("the thread that makes a network namespace panicked"))?
        .context("cannot make a network namespace")?;
        let this = Self(file);
        this.ip("link set lo up")?;
        Ok(this)
    }

    /// As a path that any process of root can open.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Does something inside it, on a thread of its own; sockets and processes
    /// made there stay in it.
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(&self.0, CloneFlags::CLONE_NEWNET).context("cannot enter a namespace")?;
                    work()
                })
                .join()
                .map_err(|_| anyhow!("a thread in a network namespace panicked"))?
        })
    }

    /// Starts a command in it.
    pub(super) fn spawn(&self, command: &mut Command) -> Result<Child> {
        self.inside(|| {
            command
                .spawn()
                .with_context(|| format!("cannot start {}", command.get_program().display()))
        })
    }

    fn ip(&self, arguments: &str) -> Result<()> {
        self.inside(|| run(Command::new("ip").args(arguments.split(' '))))
    }
}

/// A kernel without IPv6 has nothing to switch off.
fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}
