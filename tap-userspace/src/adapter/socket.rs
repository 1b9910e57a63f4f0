//! The agent's Unix socket: one JSON document a connection.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::model::status::Status;

/// Where the agent listens, unless told otherwise.
pub const DEFAULT_PATH: &str = "/run/podtap/agent.sock";

/// How long a client may take to read, and the agent to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// One client waits for a status.
pub type Request = oneshot::Sender<Status>;

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
    #[error("the agent on {path} gave no status: {source}")]
    Answer {
        /// Where.
        path: PathBuf,
        /// What is wrong with the answer.
        source: io::Error,
    },
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

async fn answer(mut stream: UnixStream, requests: mpsc::Sender<Request>) -> io::Result<()> {
    let (sender, receiver) = oneshot::channel();
    // The agent is stopping if either fails: the client sees the end.
    if requests.send(sender).await.is_err() {
        return Ok(());
    }
    let Ok(status) = receiver.await else {
        return Ok(());
    };
    stream.write_all(&serde_json::to_vec(&status)?).await?;
    stream.shutdown().await
}

/// Asks the agent on that socket.
///
/// # Errors
/// When none answers, or not with a status.
pub async fn ask(path: &Path) -> Result<Status, SocketError> {
    let connect = |source| SocketError::Connect {
        path: path.into(),
        source,
    };
    let answer = |source| SocketError::Answer {
        path: path.into(),
        source,
    };
    let mut stream = UnixStream::connect(path).await.map_err(connect)?;
    let mut text = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut text))
        .await
        .map_err(|_| answer(io::ErrorKind::TimedOut.into()))?
        .map_err(answer)?;
    serde_json::from_slice(&text).map_err(|error| answer(error.into()))
}
