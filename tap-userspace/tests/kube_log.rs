//! What the watch logs. Alone in its file: tracing decides for a whole process
//! which of its lines anyone reads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod kube_api;

use std::sync::{Arc, Mutex};

use kube_api::{ApiServer, Mode, until};
use tap_userspace::adapter::kube::{ApiState, LOG_DIRECTIVES, watch_node};
use tap_userspace::model::opt_in::Own;

/// What is logged, in one piece.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().expect("not poisoned").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines().map(str::to_owned).collect()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_outage_is_two_lines_in_the_log_and_a_refusal_within_it_is_named() {
    let log = Log::default();
    let writer = log.clone();
    let filter = format!("info,{LOG_DIRECTIVES}");
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = ApiServer::start().await;
    let (watch, run) = watch_node(&server.client(), "n1", Own::default());
    let watching = tokio::spawn(run);
    let api = || *watch.api.borrow();
    until("there", || api() == ApiState::There).await;
    let connections = || server.connections();
    server.set_mode(Mode::Down);
    let before = connections();
    until("some retries", || connections() >= before + 4).await;
    server.set_mode(Mode::Serving);
    until("back", || api() == ApiState::There).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("Kubernetes API is away"), "{lines:#?}");
    assert!(lines[1].contains("Kubernetes API is back"), "{lines:#?}");

    // It comes back and takes a right away: what is looked for is no longer
    // in the network.
    server.set_mode(Mode::Down);
    until("away", || api() == ApiState::Away).await;
    let refusals = || {
        let lines = log.lines().into_iter();
        lines
            .filter(|line| line.contains("not for you"))
            .collect::<Vec<_>>()
    };
    server.set_mode(Mode::Forbidding);
    until("both watches' refusal", || refusals().len() >= 2).await;
    let asked = || server.requests().len();
    let before = asked();
    until("some retries", || asked() >= before + 2).await;
    assert_eq!(api(), ApiState::Away);
    server.set_mode(Mode::Serving);
    until("back again", || api() == ApiState::There).await;
    watching.abort();
    let refusals = refusals();
    assert_eq!(refusals.len(), 2, "once for each watch: {refusals:#?}");
    assert!(refusals[0].contains("refuses podtap"), "{refusals:#?}");
    eprintln!("{}", log.lines().join("\n"));
}
