//! One agent after the other on a node: what the one leaves, the next takes
//! over; and while the one is there, the next waits.

use std::{
    future::Future,
    path::PathBuf,
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant},
};

use kube::Client;
use tokio::{sync::mpsc, time};

use super::health::Health;
use crate::{
    adapter::{bpf::Pins, kube::daemon_set_stays, log_filter::LogFilter, socket::Request},
    model::status::Status,
};

/// How often it looks whether the agent before has ended. What passes between
/// two looks is in the ring.
const LOOK: Duration = Duration::from_millis(50);
/// How often it says that it lives.
const ALIVE: Duration = Duration::from_secs(1);
/// How long the API server may take to say whether the DaemonSet stays.
const STAYS_BUDGET: Duration = Duration::from_secs(2);

/// By what an agent's taps outlive it.
#[derive(Clone, Debug)]
pub struct SuccessionOptions {
    /// The node's bpf file system.
    pub bpffs: PathBuf,
    /// The namespace that podtap runs in: two of them on a node, in two
    /// namespaces, have nothing to do with each other.
    pub namespace: Option<String>,
    /// Name of the DaemonSet there whose pod this agent is: as long as it
    /// stays, there will be a next agent.
    pub daemon_set: Option<String>,
}

/// What an agent answers with while it waits.
pub(super) struct Waiting<'a> {
    pub(super) status: Status,
    pub(super) requests: &'a mut mpsc::Receiver<Request>,
    pub(super) health: &'a Health,
    pub(super) log: &'a LogFilter,
}

/// What waiting came to.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is this agent's turn; with pins, where they can be had.
    Ours(Option<Arc<Pins>>),
    /// It was told to stop before.
    Stopped,
}

impl SuccessionOptions {
    /// Waits until the agent before has ended, or `until` is done. Meanwhile
    /// this one is ready, but for the other: so a DaemonSet with `maxSurge`
    /// ends the other.
    pub(super) async fn turn(
        &self,
        waiting: Waiting<'_>,
        mut until: Pin<&mut impl Future<Output = ()>>,
    ) -> Turn {
        let mut pins = pin!(self.pins(&waiting.status.node));
        let mut alive = time::interval(ALIVE);
        loop {
            tokio::select! {
                biased;
                pins = &mut pins => return Turn::Ours(pins),
                () = &mut until => return Turn::Stopped,
                _ = alive.tick() => waiting.health.waits_for_another(Instant::now()),
                // A client that went away needs no answer.
                Some(request) = waiting.requests.recv() => match request {
                    Request::Status(answer) => {
                        let _ = answer.send(waiting.status.clone());
                    }
                    Request::Log { directives, answer } => {
                        let _ = answer.send(waiting.log.change(directives.as_deref()));
                    }
                }
            }
        }
    }

    /// `None` where there is no bpf file system: then taps end with their
    /// agent.
    async fn pins(&self, node: &str) -> Option<Arc<Pins>> {
        let owner = match &self.namespace {
            Some(namespace) => format!("{node}+{namespace}"),
            None => node.to_owned(),
        };
        let mut is_told = false;
        loop {
            match Pins::open(&self.bpffs, &owner) {
                Ok(Some(pins)) => return Some(pins),
                Ok(None) => {
                    if !is_told {
                        tracing::info!("another agent has this node's taps; waiting for its end");
                        is_told = true;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "taps will end with this agent");
                    return None;
                }
            }
            time::sleep(LOOK).await;
        }
    }

    /// Whether there will be a next agent on this node, to which the taps may
    /// be left. Where that is not proven, nothing may stay behind.
    pub(super) async fn is_certain(&self, client: &Client) -> bool {
        let (Some(namespace), Some(name)) = (&self.namespace, &self.daemon_set) else {
            return false;
        };
        let asked = daemon_set_stays(client, namespace, name);
        match time::timeout(STAYS_BUDGET, asked).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::info!(%error, "no next agent to leave the taps to");
                false
            }
            Err(_) => {
                tracing::info!("the API server does not answer: the taps end");
                false
            }
        }
    }
}
