//! The agent's life: start, follow what is desired, stop in order.

mod report;

use std::{
    future::Future,
    io,
    net::SocketAddr,
    num::NonZeroU32,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::Client;
use tap_common::Metadata;
use tokio::{
    sync::mpsc,
    task::{JoinSet, block_in_place},
    time,
};

use super::{
    datapath::{Datapath, DatapathError, DatapathOptions},
    health::{Health, Missing},
    listening::{Change, Listening},
    memory::{self, MemoryError},
    metrics::Labels,
    pages::{Pages, Scrape},
    succession::{SuccessionOptions, Turn, Waiting},
    tap::{Keep, TapInterface, TapSetupError},
    tapping::{Tapping, TappingOptions},
};
use crate::{
    adapter::{
        bpf::{Hook, Shared, SharedError, SharedOptions},
        http::{HttpError, HttpServer},
        kube::{Desired, Watch, record_events, watch_node},
        log_filter::LogFilter,
        process::ProcDir,
        sink::TapName,
        socket::{Request, SocketError, StatusSocket},
    },
    model::{
        Directions, NoReader, Segment, bit_rate::BitRate, opt_in::Own, pod::PodUid, status::Status,
    },
};

/// How often it looks whether the targets' interfaces are still there.
const INTERFACE_CHECK: Duration = Duration::from_secs(1);

/// How long the whole of stopping may take: well within the 30 s that
/// Kubernetes grants by default.
const STOP_BUDGET: Duration = Duration::from_secs(10);

/// How to be an agent.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// The node whose pods are tapped.
    pub node: String,
    /// The tap interface that their frames go to.
    pub tap: TapName,
    /// Where the node's proc file system is.
    pub proc: PathBuf,
    /// Where `podtap status` asks.
    pub socket: PathBuf,
    /// Where its pages are served, if they are.
    pub http: Option<SocketAddr>,
    /// Which labels its metrics have.
    pub labels: Labels,
    /// What its log is filtered by.
    pub log: LogFilter,
    /// How the kernel side shall be.
    pub shared: SharedOptions,
    /// How to attach.
    pub hook: Hook,
    /// Which direction is tapped, where neither pod nor namespace says
    /// anything else.
    pub directions: Directions,
    /// How super-frames are cut, likewise.
    pub segment: Segment,
    /// How many interfaces are tapped at most.
    pub max_targets: NonZeroU32,
    /// How much they may carry, all together.
    pub max_rate: Option<BitRate>,
    /// Whether a packet between two tapped pods of the node is delivered as
    /// each of them sees it, and not once.
    pub keep_duplicates: bool,
    /// What to do when nobody listens on the tap.
    pub no_reader: NoReader,
    /// For how long nobody may.
    pub no_reader_after: Duration,
    /// By what podtap's own pods are known.
    pub own: Own,
    /// By what its taps outlive it, if they shall.
    pub succession: Option<SuccessionOptions>,
}

/// Why the agent did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It would not live long.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The kernel side could not be set up.
    #[error(transparent)]
    Kernel(#[from] SharedError),
    /// The tap could not be made ready, or not be left in order.
    #[error(transparent)]
    Tap(#[from] TapSetupError),
    /// The status socket could not be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Its pages could not be served.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The datapath could not be started.
    #[error("cannot start the datapath: {0}")]
    StartDatapath(#[source] io::Error),
    /// The datapath ended by itself.
    #[error("the datapath ended: {0}")]
    Datapath(#[from] DatapathError),
    /// It did not stop in time.
    #[error("stopping took longer than {} s; given up at: {step}", STOP_BUDGET.as_secs())]
    StopTimeout {
        /// What it was at.
        step: &'static str,
    },
}

/// Taps the pods of a node until `until` is done. Nothing stays attached
/// after it, unless a next agent is certain; the tap interface stays, for its
/// sensor.
///
/// # Errors
/// When it cannot start, when the datapath fails, or when stopping does.
pub async fn run(
    client: Client,
    options: AgentOptions,
    until: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let mut until = pin!(until);
    memory::examine(options.shared.ring_bytes)?;
    let socket = StatusSocket::bind(&options.socket)?;
    let health = Arc::new(Health::new(Instant::now()));
    let (scrape_sender, scrapes) = mpsc::channel(16);
    let pages = Pages {
        health: Arc::clone(&health),
        scrapes: scrape_sender,
        labels: options.labels,
    };
    let pages = match options.http {
        Some(address) => Some(serve(address, pages).await?),
        None => None,
    };
    health.waits_for(Missing::Tap, Instant::now());
    let (interface, tap) =
        block_in_place(|| TapInterface::open(options.tap.clone(), Keep::Always, options.hook))?;
    let (request_sender, mut requests) = mpsc::channel(16);
    let serving = tokio::spawn(socket.serve(request_sender));
    let mut shared_options = options.shared;
    if let Some(succession) = &options.succession {
        let waiting = Waiting {
            status: Status::waiting(&options.node, options.tap.as_str()),
            requests: &mut requests,
            health: &health,
            log: &options.log,
        };
        match succession.turn(waiting, until.as_mut()).await {
            Turn::Ours(pins) => shared_options.pins = pins,
            Turn::Stopped => return Ok(block_in_place(|| interface.close())?),
        }
    }
    health.waits_for(Missing::Kernel, Instant::now());
    let kernel = block_in_place(|| Shared::open(shared_options))?;
    health.waits_for(Missing::Pods, Instant::now());
    let datapath_options = DatapathOptions {
        gso_types: kernel.gso_types,
        frame_limit: None,
        keep_duplicates: options.keep_duplicates,
    };
    let datapath = Datapath::start(kernel.ring, datapath_options, vec![Box::new(tap)])
        .map_err(AgentError::StartDatapath)?;
    let (watch, watching) = watch_node(&client, &options.node, options.own.clone());
    let (events, sending) = record_events(&client, &options.node);
    let watching = tokio::spawn(watching);
    let sending = tokio::spawn(sending);
    tracing::info!(node = options.node, tap = %options.tap, "the agent runs");

    let mut agent = Agent {
        tapping: Tapping::new(
            kernel.shared,
            kernel.left,
            TappingOptions {
                proc: ProcDir::new(options.proc),
                hook: options.hook,
                directions: options.directions,
                segment: options.segment,
                max_rate: options.max_rate,
                max_targets: usize::try_from(options.max_targets.get()).unwrap_or(usize::MAX),
            },
            interface,
            events,
        ),
        datapath,
        watch,
        requests,
        scrapes,
        health,
        log: options.log,
        node: options.node,
        tap: options.tap,
        metadata: kernel.metadata,
        ring_bytes: kernel.ring_bytes,
        listening: Listening::new(options.no_reader_after),
        no_reader: options.no_reader,
        own_uid: options.own.uid,
    };
    let is_asked_to_stop = tokio::select! {
        () = until => true,
        () = agent.follow() => false,
    };

    // No more changes, no more questions; then targets, records, frames, tap.
    watching.abort();
    serving.abort();
    // With it goes every connection.
    drop(pages);
    let Agent {
        mut tapping,
        datapath,
        ..
    } = agent;
    let deadline = Instant::now() + STOP_BUDGET;
    let has_successor = match &options.succession {
        Some(succession) if is_asked_to_stop => succession.is_certain(&client).await,
        _ => false,
    };
    block_in_place(|| {
        if has_successor {
            tapping.leave_all(&datapath);
        } else {
            tapping.detach_all(&datapath);
        }
    });
    drop(kernel.heartbeat);
    let finished = within(deadline, "emptying the ring", move || datapath.finish()).await?;
    let tap = tapping.into_tap();
    within(deadline, "leaving the tap", || tap.close()).await??;
    // The last Events, if the API server takes them; they are no reason to
    // stay.
    let _ = time::timeout_at(deadline.into(), sending).await;
    tracing::info!("the agent has stopped");
    match finished.error {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// Serves the agent's pages until what it returns is dropped.
async fn serve(address: SocketAddr, pages: Pages) -> Result<JoinSet<()>, HttpError> {
    let server = HttpServer::bind(address).await?;
    tracing::info!(address = %server.address(), "serving HTTP");
    let mut serving = JoinSet::new();
    serving.spawn(server.serve(move |path| pages.clone().page(path)));
    Ok(serving)
}

struct Agent {
    tapping: Tapping,
    datapath: Datapath,
    watch: Watch,
    requests: mpsc::Receiver<Request>,
    scrapes: mpsc::Receiver<Scrape>,
    health: Arc<Health>,
    log: LogFilter,
    node: String,
    tap: TapName,
    metadata: Metadata,
    ring_bytes: u32,
    listening: Listening,
    no_reader: NoReader,
    own_uid: Option<PodUid>,
}

impl Agent {
    /// Does what is to be done, as it comes. Ends with the datapath.
    async fn follow(&mut self) {
        let mut check = time::interval(INTERFACE_CHECK);
        check.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            let desired: Arc<Desired> = Arc::clone(&self.watch.desired.borrow_and_update());
            block_in_place(|| self.tapping.follow(&desired, &self.datapath));
            self.health
                .turned(Instant::now(), self.datapath.published(), desired.synced);
            let next = self.tapping.next_follow(&desired);
            tokio::select! {
                changed = self.watch.desired.changed() => {
                    if changed.is_err() {
                        // The watch has ended, which only stopping does.
                        return;
                    }
                }
                () = until_instant(next) => {}
                _ = check.tick() => {
                    block_in_place(|| self.tapping.check_interfaces(&self.datapath));
                    self.tapping.check_rate(&desired);
                    self.listen(&desired);
                }
                // A client that went away needs no answer.
                Some(request) = self.requests.recv() => match request {
                    Request::Status(answer) => {
                        let _ = answer.send(self.status());
                    }
                    Request::Log { directives, answer } => {
                        let _ = answer.send(self.log.change(directives.as_deref()));
                    }
                },
                Some(scrape) = self.scrapes.recv() => {
                    let _ = scrape.send(self.snapshot(&desired));
                }
                () = self.datapath.ended() => return,
            }
        }
    }

    /// Looks whether anybody listens on the tap, and tells of a change.
    fn listen(&mut self, desired: &Desired) {
        let Some(readers) = self.tapping.tap_readers() else {
            return;
        };
        let change = self.listening.look(readers, Instant::now());
        let pauses = self.no_reader == NoReader::Pause;
        if pauses {
            self.tapping.pause(self.listening.is_unread());
        }
        let Some(change) = change else {
            return;
        };
        let tap = &self.tap;
        let mut note = match change {
            Change::Unread => {
                tracing::warn!(
                    %tap,
                    paused = pauses,
                    "nobody listens on the tap: has the sensor ended?"
                );
                format!("nobody listens on {tap}: has the sensor ended, or does it read another?")
            }
            Change::ReadAgain => {
                tracing::info!(%tap, "the tap is listened on again");
                format!("{tap} is listened on again")
            }
        };
        if pauses {
            note.push_str(match change {
                Change::Unread => " podtap pauses: it copies nothing until somebody listens",
                Change::ReadAgain => ", and podtap has gone on",
            });
        }
        let own = self.own_uid.as_ref().and_then(|uid| desired.pods.get(uid));
        if let Some(own) = own {
            self.tapping.tell_of_tap(&own.pod, change, &note);
        }
    }
}

async fn until_instant(instant: Option<Instant>) {
    match instant {
        Some(instant) => time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

/// Does one step of stopping on a thread of its own, until the deadline.
async fn within<T: Send + 'static>(
    deadline: Instant,
    what: &'static str,
    step: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AgentError> {
    let step = tokio::task::spawn_blocking(step);
    match time::timeout_at(deadline.into(), step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
        Err(_) => Err(AgentError::StopTimeout { step: what }),
    }
}
