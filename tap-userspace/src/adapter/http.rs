//! A small HTTP/1 server for the agent's own pages: what it answers is up to
//! its caller.
//!
//! One request a connection, and all of it within a few seconds: a client that
//! is slow, or many of them, cost the agent next to nothing.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

/// Connections at a time; the next ones wait in the kernel's backlog.
const CONNECTIONS: usize = 32;
/// How long a client may take to send its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole connection may take: the head, the answer, and the time
/// that the client takes to read it.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest head of a request in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// How long to wait before accepting again after that failed.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Plain text, for people and probes.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// What a path answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// The value of `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// The listening server.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// It cannot be listened on.
    #[error("cannot listen for HTTP on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

impl HttpServer {
    /// Listens.
    ///
    /// # Errors
    /// When the address is not this host's or the port is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, HttpError> {
        let failed = |source| HttpError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens: with the port that the kernel chose, if it was to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers GET and HEAD with the page of the request's path; `None` is 404.
    /// Never ends; dropped, it cuts all connections off.
    pub async fn serve<P, F>(self, pages: P)
    where
        P: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Option<Page>> + Send + 'static,
    {
        let pages = Arc::new(pages);
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        let mut open = JoinSet::new();
        loop {
            // Never closed.
            let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
                return;
            };
            while open.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let connection = connection(stream, Arc::clone(&pages));
                    open.spawn(async move {
                        // A client that is slow or gone is left to its own.
                        let _ = timeout(CONNECTION_TIMEOUT, connection).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept HTTP connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn connection<P, F>(stream: TcpStream, pages: Arc<P>) -> hyper::Result<()>
where
    P: Fn(String) -> F,
    F: Future<Output = Option<Page>>,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| answer(request, &*pages)),
        )
        .await
}

async fn answer<P, F>(
    request: Request<Incoming>,
    pages: &P,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    P: Fn(String) -> F,
    F: Future<Output = Option<Page>>,
{
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let page = if is_read {
        pages(request.uri().path().to_owned())
            .await
            .unwrap_or_else(|| Page::line(StatusCode::NOT_FOUND, "there is no such page"))
    } else {
        Page::line(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD")
    };
    let mut response = Response::new(Full::new(Bytes::from(page.body)));
    *response.status_mut() = page.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    if !is_read {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    Ok(response)
}

impl Page {
    /// One line of text.
    #[must_use]
    pub fn line(status: StatusCode, line: &str) -> Self {
        Self {
            status,
            content_type: TEXT,
            body: format!("{line}\n"),
        }
    }
}
