//! `podtap agent`: taps the labelled pods of one node.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::{ArgAction, Args};

use super::{duration::duration, signals};
use crate::{
    adapter::{
        bpf::{Hook, MetadataWay, SharedOptions},
        kube,
        log_filter::LogFilter,
        sink::TapName,
        socket,
    },
    agent::{
        metrics::Labels,
        service::{self, AgentOptions},
        succession::SuccessionOptions,
    },
    model::{Directions, NoReader, Segment, bit_rate::BitRate, opt_in::Own, pod::PodUid},
};

/// Tap the pods of this node that are labelled `podtap.dev/tap=true`, or whose
/// namespace is.
#[derive(Debug, Args)]
pub(super) struct AgentArguments {
    /// Tap interface that the frames are delivered on; made if it is not
    /// there, and left when the agent stops.
    #[arg(long, value_name = "NAME", env = "PODTAP_TAP")]
    tap: TapName,
    /// Name of this node in Kubernetes; the machine's own if not given.
    #[arg(long, env = "PODTAP_NODE")]
    node: Option<String>,
    /// Kubeconfig file; in a pod, its service account if not given.
    #[arg(long, value_name = "FILE", env = "PODTAP_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Where the node's proc file system is.
    #[arg(
        long,
        value_name = "DIRECTORY",
        env = "PODTAP_PROC",
        default_value = "/proc"
    )]
    proc: PathBuf,
    /// Socket on which `podtap status` asks.
    #[arg(
        long,
        value_name = "PATH",
        env = "PODTAP_SOCKET",
        default_value = socket::DEFAULT_PATH
    )]
    socket: PathBuf,
    /// Serve `/metrics`, `/healthz` and `/readyz` there; on no address if not
    /// given.
    #[arg(long, value_name = "ADDRESS:PORT", env = "PODTAP_HTTP")]
    http: Option<SocketAddr>,
    /// Whether there are metrics for each tapped pod, by namespace and name.
    #[arg(
        long,
        value_name = "BOOL",
        env = "PODTAP_METRICS_PODS",
        default_value_t = true,
        action = ArgAction::Set
    )]
    metrics_pods: bool,
    /// Size of the ring between kernel and agent: a power of two.
    #[arg(
        long,
        value_name = "BYTES",
        env = "PODTAP_RING_BYTES",
        default_value = "67108864"
    )]
    ring_bytes: NonZeroU32,
    /// How to attach: `auto`, `tcx` or `clsact`.
    #[arg(long, env = "PODTAP_HOOK", default_value_t = Hook::Auto)]
    hook: Hook,
    /// How the kernel programs ask what an skb hides: `auto`, `kfuncs`,
    /// `probe-reads` or `helpers`.
    #[arg(long, value_name = "WAY", env = "PODTAP_METADATA", default_value_t = MetadataWay::Auto)]
    metadata: MetadataWay,
    /// Direction from the pod's point of view: `in`, `out` or `both`. The
    /// annotation `podtap.dev/direction` of a pod or namespace goes first.
    #[arg(long, env = "PODTAP_DIRECTION", default_value_t = Directions::Both)]
    direction: Directions,
    /// How to cut super-frames: `wire`, as the wire carries them, or `jumbo`,
    /// into frames of up to 9,000 bytes. The annotation `podtap.dev/segment`
    /// of a pod or namespace goes first.
    #[arg(long, value_name = "HOW", env = "PODTAP_SEGMENT", default_value_t = Segment::Wire)]
    segment: Segment,
    /// Tap at most so many interfaces: those of enforced namespaces first, then
    /// those of the oldest pods.
    #[arg(
        long,
        value_name = "NUMBER",
        env = "PODTAP_MAX_TARGETS",
        default_value = "512"
    )]
    max_targets: NonZeroU32,
    /// Tap no more than the pods that carry so much together, such as `500M`
    /// or `10G` bits a second: the newest that no namespace enforces makes
    /// room, for five minutes. No limit if not given.
    #[arg(long, value_name = "BITS/S", env = "PODTAP_MAX_RATE")]
    max_rate: Option<BitRate>,
    /// Deliver packets between two tapped pods of this node twice, as each of
    /// them sees them.
    #[arg(long, env = "PODTAP_KEEP_DUPLICATES")]
    keep_duplicates: bool,
    /// What to do when nobody listens on the tap: `tell` it, or `pause` too,
    /// and copy nothing until somebody listens again.
    #[arg(long, value_name = "WHAT", env = "PODTAP_NO_READER", default_value_t = NoReader::Tell)]
    no_reader: NoReader,
    /// For how long nobody may listen before that: longer than the sensor takes
    /// to restart, such as `90s` or `5m`.
    #[arg(
        long,
        value_name = "DURATION",
        env = "PODTAP_NO_READER_AFTER",
        default_value = "60s",
        value_parser = duration
    )]
    no_reader_after: Duration,
    /// bpf file system of the node, where taps are pinned, so that the next
    /// agent takes them over; they end with this one if it is not given.
    #[arg(long, value_name = "DIRECTORY", env = "PODTAP_BPFFS")]
    bpffs: Option<PathBuf>,
    /// DaemonSet in podtap's own namespace that this agent belongs to. As long
    /// as it stays, a stopping agent leaves its taps to the next one.
    #[arg(
        long,
        value_name = "NAME",
        env = "PODTAP_DAEMON_SET",
        requires = "own_namespace"
    )]
    daemon_set: Option<String>,
    /// Namespace that podtap itself runs in: its pods there are never tapped.
    #[arg(long, env = "PODTAP_NAMESPACE")]
    own_namespace: Option<String>,
    /// UID of the pod that the agent runs in, which is never tapped.
    #[arg(long, env = "PODTAP_POD_UID", value_parser = PodUid::parse)]
    own_pod_uid: Option<PodUid>,
}

/// Runs until a signal ends it.
pub(super) fn run(arguments: AgentArguments, log: LogFilter) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the agent needs root, or its capabilities as root of a container"
    );
    ensure!(
        arguments.proc.join("1/ns").exists(),
        "{} is no proc file system of a node",
        arguments.proc.display()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let ended = signals::ended().context("cannot listen to signals")?;
        let client = kube::client(arguments.kubeconfig).await?;
        let options = AgentOptions {
            node: arguments.node.map_or_else(host_name, Ok)?,
            tap: arguments.tap,
            proc: arguments.proc,
            socket: arguments.socket,
            http: arguments.http,
            labels: match arguments.metrics_pods {
                true => Labels::ByPod,
                false => Labels::Summed,
            },
            log,
            shared: SharedOptions {
                ring_bytes: arguments.ring_bytes,
                metadata: arguments.metadata,
                pins: None,
            },
            hook: arguments.hook,
            directions: arguments.direction,
            segment: arguments.segment,
            max_targets: arguments.max_targets,
            max_rate: arguments.max_rate,
            keep_duplicates: arguments.keep_duplicates,
            no_reader: arguments.no_reader,
            no_reader_after: arguments.no_reader_after,
            succession: arguments.bpffs.map(|bpffs| SuccessionOptions {
                bpffs,
                namespace: arguments.own_namespace.clone(),
                daemon_set: arguments.daemon_set,
            }),
            own: Own {
                namespace: arguments.own_namespace,
                uid: arguments.own_pod_uid,
            },
        };
        Ok(service::run(client, options, ended).await?)
    })
}

/// The machine's name, in lower case as the kubelet takes it.
pub(super) fn host_name() -> Result<String> {
    let name = rustix::system::uname();
    let name = name
        .nodename()
        .to_str()
        .context("the machine's name is no text")?;
    Ok(name.to_lowercase())
}
