//! The agent's Unix socket: one question, one answer.
//!
//! If this fails, `podtap status` and `podtap log` say nothing of use, or a
//! client can keep the agent from answering others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

use std::{path::PathBuf, time::Duration};

use serde_json::json;
use tap_userspace::{
    adapter::socket::{Request, SocketError, StatusSocket, set_log, status},
    model::status::Status,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::mpsc,
    time::timeout,
};

/// A socket, and an agent that knows one status and one level.
struct Agent {
    folder: TempDir,
}

impl Agent {
    fn start() -> Self {
        let agent = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let socket = StatusSocket::bind(&agent.path()).expect("a socket");
        let (sender, mut requests) = mpsc::channel(1);
        tokio::spawn(socket.serve(sender));
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                match request {
                    Request::Status(answer) => answer.send(known()).expect("a client"),
                    Request::Log { directives, answer } => {
                        let directives = directives.unwrap_or_else(|| "info".into());
                        let taken = match directives.as_str() {
                            "info" => Ok(directives),
                            other => Err(format!("{other}: no")),
                        };
                        answer.send(taken).expect("a client");
                    }
                }
            }
        });
        agent
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    /// Says something else than podtap does; the answer.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.path()).await.expect("a socket");
        // It may be cut off before it has said all.
        let _ = stream.write_all(bytes).await;
        let mut text = String::new();
        let _ = timeout(Duration::from_secs(30), stream.read_to_string(&mut text))
            .await
            .expect("an end");
        text
    }
}

fn known() -> Status {
    let status = json!({
        "version": "1.2.3", "node": "n1", "api": "connected", "tap": "podtap0",
        "targets": [], "refused": [],
        "datapath": {
            "records": 7, "undecodable": 0, "delivered": 5, "refused": 0, "engine": {},
        },
    });
    serde_json::from_value(status).expect("a status")
}

#[tokio::test]
async fn each_question_has_its_answer() {
    let agent = Agent::start();
    assert_eq!(status(&agent.path()).await.expect("a status"), known());
    for directives in [Some("info".to_owned()), None] {
        let in_force = set_log(&agent.path(), directives).await;
        assert_eq!(in_force.expect("taken"), "info");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_agents_words() {
    let agent = Agent::start();
    let refused = set_log(&agent.path(), Some("loud".into())).await;
    let error = refused.expect_err("refused");
    assert!(matches!(error, SocketError::Refused(_)), "{error:?}");
    assert_eq!(error.to_string(), "the agent refuses: loud: no");
}

#[tokio::test]
async fn what_is_no_question_is_refused_and_harms_nobody() {
    let agent = Agent::start();
    for nonsense in [
        "\n",
        "status\n",
        "{\"log\":{\"level\":1}}\n",
        "\"reboot\"\n",
    ] {
        let said = agent.say(nonsense.as_bytes()).await;
        assert!(said.starts_with("{\"refused\":"), "{nonsense:?}: {said}");
    }
    let long = agent.say(&vec![b'x'; 1 << 20]).await;
    assert!(!long.contains("version"), "{long}");
    assert_eq!(status(&agent.path()).await.expect("a status"), known());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_cut_off_and_keeps_no_other_waiting() {
    let agent = Agent::start();
    let mut silent = UnixStream::connect(agent.path()).await.expect("a socket");
    assert_eq!(status(&agent.path()).await.expect("a status"), known());
    let mut text = String::new();
    let end = timeout(Duration::from_secs(30), silent.read_to_string(&mut text));
    end.await.expect("cut off").expect("an end");
    assert_eq!(text, "");
}
