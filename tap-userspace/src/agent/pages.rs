//! The agent's pages: what a scraper and the kubelet's probes ask for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    health::Health,
    metrics::{self, Labels, Snapshot},
};
use crate::adapter::http::Page;

/// How long the loop may take to answer: it may be at attaching to many pods.
const PATIENCE: Duration = Duration::from_secs(8);

/// A scraper waits for the agent's numbers, or one line that says why there
/// are none.
pub(super) type Scrape = oneshot::Sender<Result<Snapshot, String>>;

/// What the pages are made of.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    pub(super) health: Arc<Health>,
    pub(super) scrapes: mpsc::Sender<Scrape>,
    pub(super) labels: Labels,
}

impl Pages {
    /// The page of a path, if there is one.
    pub(super) async fn page(self, path: String) -> Option<Page> {
        match path.as_str() {
            "/healthz" => Some(answer(self.health.alive(Instant::now()))),
            "/readyz" => {
                let ready = self.health.ready();
                Some(answer(ready.map_err(|missing| missing.text().into())))
            }
            "/metrics" => Some(self.metrics().await),
            _ => None,
        }
    }

    async fn metrics(self) -> Page {
        let (sender, receiver) = oneshot::channel();
        let asked = async {
            self.scrapes.send(sender).await.ok()?;
            receiver.await.ok()
        };
        let rendered = match timeout(PATIENCE, asked).await {
            Ok(Some(Ok(snapshot))) => {
                metrics::render(snapshot, self.labels).map_err(|error| error.to_string())
            }
            Ok(Some(Err(error))) => Err(error),
            Ok(None) => Err("the agent starts or stops".into()),
            Err(_) => Err("the agent is busy".into()),
        };
        match rendered {
            Ok(body) => Page {
                status: StatusCode::OK,
                content_type: metrics::CONTENT_TYPE,
                body,
            },
            Err(reason) => Page::line(StatusCode::SERVICE_UNAVAILABLE, &reason),
        }
    }
}

fn answer(outcome: Result<(), String>) -> Page {
    match outcome {
        Ok(()) => Page::line(StatusCode::OK, "ok"),
        Err(reason) => Page::line(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
}
