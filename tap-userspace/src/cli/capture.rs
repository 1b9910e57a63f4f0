//! `podtap capture`: one pod's packets, on its node.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write},
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use super::{duration::duration, signals};
use crate::{
    adapter::{
        bpf::{Hook, MetadataWay, SharedOptions, metadata_name},
        kube,
        link::Links,
        netns::Netns,
        process::ProcDir,
        sink::{Lines, Pcapng, Sink, TapName},
    },
    agent::{
        capture::{CaptureOptions, Summary, TARGET, capture},
        pod_netns,
        tap::{Keep, TapInterface},
    },
    model::{Directions, Segment, pod::PodKey},
};

/// Capture the packets of one pod, process or network namespace of this node.
#[derive(Debug, Args)]
pub(super) struct CaptureArguments {
    #[command(flatten)]
    source: Source,
    /// Interface in the pod's network namespace.
    #[arg(long, short, default_value = "eth0")]
    interface: String,
    /// Direction from the pod's point of view: `in`, `out` or `both`.
    #[arg(long, default_value_t = Directions::Both)]
    direction: Directions,
    /// Write pcapng to this file; `-` is standard output.
    #[arg(long, short, value_name = "FILE|-")]
    write: Option<PathBuf>,
    /// Deliver the frames on this tap interface.
    #[arg(long, value_name = "NAME")]
    tap: Option<TapName>,
    /// End after this many packets.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    packet_count: Option<u64>,
    /// End after this time, such as `30s`, `5m` or `500ms`.
    #[arg(long, value_parser = duration)]
    duration: Option<Duration>,
    /// Bytes of each packet to keep in the file; 0 keeps all.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    snaplen: u32,
    /// Size of the ring between kernel and capture: a power of two.
    #[arg(long, value_name = "BYTES", default_value = "67108864")]
    ring_bytes: NonZeroU32,
    /// How to attach: `auto`, `tcx` or `clsact`.
    #[arg(long, default_value_t = Hook::Auto)]
    hook: Hook,
    /// How the kernel programs ask what an skb hides: `auto`, `kfuncs`,
    /// `probe-reads` or `helpers`.
    #[arg(long, value_name = "WAY", default_value_t = MetadataWay::Auto)]
    metadata: MetadataWay,
    /// How to cut super-frames: `wire`, as the wire carries them, or `jumbo`,
    /// into frames of up to 9,000 bytes.
    #[arg(long, value_name = "HOW", default_value_t = Segment::Wire)]
    segment: Segment,
    /// Kubeconfig file for --pod; in a pod, its service account if not given.
    #[arg(long, value_name = "FILE", env = "PODTAP_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Where the node's proc file system is.
    #[arg(
        long,
        env = "PODTAP_PROC",
        value_name = "DIRECTORY",
        default_value = "/proc"
    )]
    proc: PathBuf,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// A process of the pod.
    #[arg(long)]
    pid: Option<u32>,
    /// A pod of this node, by namespace and name; asks the API server.
    #[arg(long, value_name = "NS/NAME", value_parser = pod_key)]
    pod: Option<PodKey>,
    /// A network namespace: a name that `ip netns` knows, or a path.
    #[arg(long, value_name = "NAME_OR_PATH")]
    netns: Option<String>,
}

/// Where the packets go.
struct Outputs {
    sinks: Vec<Box<dyn Sink>>,
    /// Of the sinks' tap, if there is one.
    interface: Option<TapInterface>,
}

/// Captures until a signal, the count or the duration ends it.
pub(super) fn run(arguments: &CaptureArguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let summary = runtime.block_on(run_capture(arguments))?;
    eprintln!("{summary}");
    // A reader that left wants no statistics either.
    match (summary.finish_error, summary.error) {
        (Some(error), _) if !error.is_closed_pipe() => Err(error.into()),
        (_, Some(error)) if !error.is_closed_pipe() => Err(error.into()),
        _ => Ok(()),
    }
}

async fn run_capture(arguments: &CaptureArguments) -> Result<Summary> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "capturing needs root: run it with sudo"
    );
    let signalled = signals::ended().context("cannot listen to signals")?;
    let netns = arguments
        .source
        .netns(&arguments.proc, arguments.kubeconfig.as_deref())
        .await?;
    // Before a file is made: a mistyped name should leave none.
    netns.inside(|| Links::open()?.by_name(&arguments.interface))??;
    let origin = netns.origin().to_string_lossy().into_owned();
    let inode = netns.inode();
    let reopen = || {
        Netns::by_name_or_path(&origin)
            .ok()
            .filter(|netns| netns.inode() == inode)
            // The process that was named may end before its pod.
            .or_else(|| Netns::of_any_process(&arguments.proc, inode))
    };
    let options = CaptureOptions {
        interface: arguments.interface.clone(),
        directions: arguments.direction,
        hook: arguments.hook,
        shared: SharedOptions {
            ring_bytes: arguments.ring_bytes,
            metadata: arguments.metadata,
            pins: None,
        },
        segment: arguments.segment,
        frame_limit: arguments.packet_count,
    };
    let Outputs { sinks, interface } = arguments.outputs()?;
    let over = async {
        match arguments.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let until = async {
        tokio::select! {
            () = signalled => {}
            () = over => {}
        }
    };
    let started = |target: &crate::agent::target::Target, metadata| {
        eprintln!(
            "capturing on {} (index {}, MTU {} bytes, attached through {}, metadata by {}){}",
            target.link.name,
            target.link.index,
            target.link.mtu_bytes,
            target.hook(),
            metadata_name(metadata),
            if target.link.is_loopback {
                ": each packet once, as it is sent"
            } else {
                ""
            }
        );
    };
    let summary = capture(netns, reopen, &options, sinks, started, until).await;
    let closed = interface.map_or(Ok(()), TapInterface::close);
    // Why it failed comes first.
    let summary = summary?;
    closed?;
    Ok(summary)
}

impl CaptureArguments {
    /// What the arguments name; standard output gets packets and nothing else.
    fn outputs(&self) -> Result<Outputs> {
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        let mut interface = None;
        if let Some(name) = &self.tap {
            let (set_up, tap) = TapInterface::open(name.clone(), Keep::IfPresent, self.hook)?;
            sinks.push(Box::new(tap));
            interface = Some(set_up);
        }
        match &self.write {
            Some(path) => match self.pcapng(path) {
                Ok(pcapng) => sinks.push(Box::new(pcapng)),
                Err(error) => {
                    interface.map_or(Ok(()), TapInterface::close)?;
                    return Err(error);
                }
            },
            None if self.tap.is_none() => sinks.push(Box::new(Lines::new(io::stdout()))),
            None => {}
        }
        Ok(Outputs { sinks, interface })
    }

    fn pcapng(&self, path: &Path) -> Result<Pcapng> {
        let (out, name): (Box<dyn Write + Send>, _) = if path == Path::new("-") {
            ensure!(
                !io::stdout().is_terminal(),
                "packets are no text for a terminal: write to a file with -w FILE, or to a pipe"
            );
            (Box::new(io::stdout()), PathBuf::from("standard output"))
        } else {
            let file = File::create(path)
                .with_context(|| format!("cannot write to {}", path.display()))?;
            (Box::new(file), path.to_path_buf())
        };
        let mut sink = Pcapng::new(out, name, self.snaplen);
        let description = format!("{} of {}", self.interface, self.source.describe());
        sink.add_target(TARGET, &self.interface, &description);
        Ok(sink)
    }
}

impl Source {
    async fn netns(&self, proc: &Path, kubeconfig: Option<&Path>) -> Result<Netns> {
        match (self.pid, &self.netns, &self.pod) {
            (Some(pid), _, _) => Ok(Netns::of_process(proc, pid)?),
            (_, Some(name), _) => Ok(Netns::by_name_or_path(name)?),
            (_, _, Some(key)) => pod_netns_of(key, proc, kubeconfig).await,
            _ => bail!("nothing to capture from"),
        }
    }

    fn describe(&self) -> String {
        match (self.pid, &self.netns, &self.pod) {
            (Some(pid), _, _) => format!("process {pid}"),
            (_, Some(name), _) => format!("network namespace {name}"),
            (_, _, Some(key)) => format!("pod {key}"),
            _ => String::new(),
        }
    }
}

/// Asks the API server which pod it is, and this node's processes where it is.
async fn pod_netns_of(key: &PodKey, proc: &Path, kubeconfig: Option<&Path>) -> Result<Netns> {
    let client = kube::client(kubeconfig.map(Path::to_path_buf)).await?;
    let pod = kube::find_pod(&client, &key.namespace, &key.name).await?;
    ensure!(
        !pod.host_network,
        "the pod {key} uses its node's network: capture with --pid 1 and the node's interface"
    );
    let proc = ProcDir::new(proc);
    let node = pod.node.clone();
    let found = pod_netns::find(&proc, &pod, &proc.scan()?);
    let found = found.with_context(|| match node {
        Some(node) => format!("the pod {key} runs on the node {node}; is this that node?"),
        None => format!("the pod {key} is on no node yet"),
    })?;
    Ok(found.netns)
}

/// `NAMESPACE/NAME`.
fn pod_key(text: &str) -> Result<PodKey, String> {
    match text.split_once('/') {
        Some((namespace, name))
            if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
        {
            Ok(PodKey {
                namespace: namespace.into(),
                name: name.into(),
            })
        }
        _ => Err("a namespace and a name are wanted: NAMESPACE/NAME".into()),
    }
}
