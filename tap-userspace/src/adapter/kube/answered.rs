//! Tells when the API server answers.
//!
//! kube's watcher says when a request fails, and nothing when one succeeds
//! that brings nothing new; so that the API server is back would be known
//! only with the next change in the cluster, which can be hours away.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::sync::Notify;
use tower_service::Service;

/// A client that speaks through `client` and notifies of each answer with a
/// status of success, as soon as its head is there.
pub(super) fn answered(client: Client) -> (Client, Arc<Notify>) {
    let answered = Arc::new(Notify::new());
    let namespace = client.default_namespace().to_owned();
    let observed = Observed {
        client,
        answered: Arc::clone(&answered),
    };
    (Client::new(observed, namespace), answered)
}

struct Observed {
    client: Client,
    answered: Arc<Notify>,
}

type Answer = Result<Response<Body>, kube::Error>;

impl Service<Request<Body>> for Observed {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        // The client within waits for its own readiness when it sends.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let client = self.client.clone();
        let answered = Arc::clone(&self.answered);
        Box::pin(async move {
            let response = client.send(request).await?;
            if response.status().is_success() {
                answered.notify_one();
            }
            Ok(response)
        })
    }
}
