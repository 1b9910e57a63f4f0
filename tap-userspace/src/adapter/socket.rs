//! The agent's Unix socket. A connection is one question and one answer: a
//! line of JSON each.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::model::status::Status;

/// Where the agent listens, unless told otherwise.
pub const DEFAULT_PATH: &str = "/run/podtap/agent.sock";

/// How long a client may take to read, and the agent to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest question in bytes.
const QUESTION_BYTES: u64 = 64 * 1024;

/// One client waits for an answer.
#[derive(Debug)]
pub enum Request {
    /// For the status.
    Status(oneshot::Sender<Status>),
    /// For the log to be filtered otherwise.
    Log {
        /// By what; by what the agent was started with, if nothing is said.
        directives: Option<String>,
        /// The directives in force, or one line that says why they are not.
        answer: oneshot::Sender<Result<String, String>>,
    },
}

/// What a client asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Question {
    Status,
    Log { directives: Option<String> },
}

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Status(Box<Status>),
    Log { directives: String },
    Refused(String),
}

/// The listening socket; the file goes with it.
#[derive(Debug)]
pub struct StatusSocket {
    path: PathBuf,
    listener: UnixListener,
}

/// Why there is no socket, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another agent listens there.
    #[error("an agent already listens on {0}")]
    InUse(PathBuf),
    /// It cannot be listened on.
    #[error("cannot listen on {path}: {source}")]
    Listen {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Nobody listens there.
    #[error("no agent answers on {path}: {source}")]
    Connect {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It answered with something else.
    #[error("the agent on {path} gave no answer: {source}")]
    Answer {
        /// Where.
        path: PathBuf,
        /// What is wrong with the answer.
        source: io::Error,
    },
    /// It will not.
    #[error("the agent refuses: {0}")]
    Refused(String),
}

impl StatusSocket {
    /// Listens, for root alone. A file that a dead agent left is replaced.
    ///
    /// # Errors
    /// When an agent listens there already, or the place cannot be written to.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Listen {
            path: path.into(),
            source,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(SocketError::InUse(path.into())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(failed)?;
            }
            // Nothing there, or something that is no socket: binding says so.
            Err(_) => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self {
            path: path.into(),
            listener,
        })
    }

    /// Hands each connection's request on. Never ends.
    pub async fn serve(self, requests: mpsc::Sender<Request>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let requests = requests.clone();
                    // A client that will not read is left to its own.
                    tokio::spawn(timeout(PATIENCE, answer(stream, requests)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the status socket");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for StatusSocket {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, requests: mpsc::Sender<Request>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream)
        .take(QUESTION_BYTES)
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str(&line) {
        Ok(question) => ask_agent(question, &requests).await,
        Err(error) => Some(Answer::Refused(format!("no question it knows: {error}"))),
    };
    // The agent is stopping if there is none: the client sees the end.
    let Some(answer) = answer else {
        return Ok(());
    };
    stream.write_all(&serde_json::to_vec(&answer)?).await?;
    stream.shutdown().await
}

async fn ask_agent(question: Question, requests: &mpsc::Sender<Request>) -> Option<Answer> {
    match question {
        Question::Status => {
            let (sender, receiver) = oneshot::channel();
            requests.send(Request::Status(sender)).await.ok()?;
            Some(Answer::Status(Box::new(receiver.await.ok()?)))
        }
        Question::Log { directives } => {
            let (answer, receiver) = oneshot::channel();
            let request = Request::Log { directives, answer };
            requests.send(request).await.ok()?;
            Some(match receiver.await.ok()? {
                Ok(directives) => Answer::Log { directives },
                Err(reason) => Answer::Refused(reason),
            })
        }
    }
}

/// Asks the agent on that socket for its status.
///
/// # Errors
/// When none answers, or not with a status.
pub async fn status(path: &Path) -> Result<Status, SocketError> {
    match ask(path, &Question::Status).await? {
        Answer::Status(status) => Ok(*status),
        other => Err(wrong(path, other)),
    }
}

/// Has the agent on that socket filter its log by these directives, or by
/// those that it was started with. Returns the directives in force.
///
/// # Errors
/// When none answers, or the directives mean nothing.
pub async fn set_log(path: &Path, directives: Option<String>) -> Result<String, SocketError> {
    match ask(path, &Question::Log { directives }).await? {
        Answer::Log { directives } => Ok(directives),
        other => Err(wrong(path, other)),
    }
}

/// An answer that is not the one to the question.
fn wrong(path: &Path, answer: Answer) -> SocketError {
    match answer {
        Answer::Refused(reason) => SocketError::Refused(reason),
        Answer::Status(_) | Answer::Log { .. } => SocketError::Answer {
            path: path.into(),
            source: io::Error::other("it answers another question"),
        },
    }
}

async fn ask(path: &Path, question: &Question) -> Result<Answer, SocketError> {
    let connect = |source| SocketError::Connect {
        path: path.into(),
        source,
    };
    let answer = |source| SocketError::Answer {
        path: path.into(),
        source,
    };
    let mut line = serde_json::to_vec(question).map_err(|error| answer(error.into()))?;
    line.push(b'\n');
    let mut stream = UnixStream::connect(path).await.map_err(connect)?;
    let mut text = Vec::new();
    let asked = async {
        stream.write_all(&line).await?;
        stream.read_to_end(&mut text).await
    };
    timeout(PATIENCE, asked)
        .await
        .map_err(|_| answer(io::ErrorKind::TimedOut.into()))?
        .map_err(answer)?;
    serde_json::from_slice(&text).map_err(|error| answer(error.into()))
}
