//! The scripted API server on a thread of its own.

use std::{
    fmt,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use crate::{TestNetns, kube_api::ApiServer};

/// It ends when it is dropped.
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Runs it in a network namespace.
    pub(super) fn start(netns: &Arc<TestNetns>) -> (Self, Arc<ApiServer>) {
        let (stop, stopped) = oneshot::channel();
        let (sender, receiver) = mpsc::channel();
        let netns = Arc::clone(netns);
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
        let thread = thread::spawn(move || netns.inside(serve));
        let server = Self {
            stop: Some(stop),
            thread: Some(thread),
        };
        (server, receiver.recv().expect("the API server"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let (Some(stop), Some(thread)) = (self.stop.take(), self.thread.take()) {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}
