//! A scripted API server: plain HTTP on loopback, with just the list, watch,
//! get and create that podtap asks for.
//!
//! The harness in `tests` has this file too, as a module that others see.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each crate with it uses a part of it"
)]

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// How the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As an API server does.
    Serving,
    /// Every connection is closed without a word.
    Down,
    /// Connections stay open, and nobody answers.
    Frozen,
    /// Everything but its version is refused with 429, to be asked again in a
    /// second.
    Throttling,
    /// Every request is refused with 403.
    Forbidding,
    /// It says its version, and refuses all else with 403.
    Starting,
    /// Watches are refused with 410, as expired; all else is served.
    Expired,
    /// Lists and watches of pods are refused with 403; all else is served.
    Unlisted,
    /// Lists are refused with 400, as malformed; all else is served.
    Malformed,
    /// Who asks what it may do is told: nothing; all else is served.
    Denying,
}

/// What there are objects of.
const KINDS: [&str; 3] = ["pods", "namespaces", "daemonsets"];

/// So many changes are remembered for watches that begin in the past.
const REMEMBERED: usize = 1000;

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET /version`: method and target.
    pub line: String,
    /// What came with it.
    pub body: String,
}

struct State {
    mode: Mode,
    version: u64,
    /// By kind, by name.
    objects: HashMap<&'static str, Vec<Value>>,
    watches: Vec<(&'static str, mpsc::UnboundedSender<String>)>,
    /// The last changes, by version.
    past: VecDeque<(u64, &'static str, String)>,
    requests: Vec<Request>,
    connections: Vec<AbortHandle>,
    accepted: usize,
}

/// The server. It ends when it is dropped.
pub struct ApiServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: AbortHandle,
}

impl ApiServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            mode: Mode::Serving,
            version: 1,
            objects: HashMap::from(KINDS.map(|kind| (kind, vec![]))),
            watches: vec![],
            past: VecDeque::new(),
            requests: vec![],
            connections: vec![],
            accepted: 0,
        }));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = tokio::spawn(serve(stream, Arc::clone(&shared)));
                let mut state = shared.lock().expect("not poisoned");
                state.accepted += 1;
                state.connections.push(connection.abort_handle());
            }
        });
        Self {
            address,
            state,
            accepting: accepting.abort_handle(),
        }
    }

    pub fn client(&self) -> kube::Client {
        self.client_with(None)
    }

    /// A client that waits for this long for the next byte.
    pub fn client_with(&self, read_timeout: Option<Duration>) -> kube::Client {
        let mut config = kube::Config::new(self.url().parse().expect("a URL"));
        config.read_timeout = read_timeout;
        kube::Client::try_from(config).expect("a client")
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes how requests are answered. Everything open is cut off.
    pub fn set_mode(&self, mode: Mode) {
        let mut state = self.state();
        state.mode = mode;
        state.watches.clear();
        for connection in state.connections.drain(..) {
            connection.abort();
        }
    }

    /// Makes or replaces an object, and tells the watches.
    pub fn put(&self, kind: &'static str, mut object: Value) {
        let mut state = self.state();
        state.version += 1;
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        let name = object["metadata"]["name"].clone();
        let objects = state.objects.get_mut(kind).expect("a kind");
        let known = objects
            .iter()
            .position(|old| old["metadata"]["name"] == name);
        match known {
            Some(at) => objects[at] = object.clone(),
            None => objects.push(object.clone()),
        }
        let event = if known.is_some() { "MODIFIED" } else { "ADDED" };
        state.change(kind, &json!({"type": event, "object": object}));
    }

    /// Removes an object, and tells the watches.
    pub fn remove(&self, kind: &'static str, name: &str) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version.to_string();
        let objects = state.objects.get_mut(kind).expect("a kind");
        let at = objects
            .iter()
            .position(|old| old["metadata"]["name"] == name);
        let mut object = objects.remove(at.expect("an object"));
        object["metadata"]["resourceVersion"] = json!(version);
        state.change(kind, &json!({"type": "DELETED", "object": object}));
    }

    /// Says something of its own on the watches.
    pub fn say(&self, kind: &'static str, event: &Value) {
        self.state().tell(kind, &format!("{event}\n"));
    }

    /// How many requests have begun with this: method and target.
    pub fn count(&self, beginning: &str) -> usize {
        let state = self.state();
        let requests = state.requests.iter();
        requests
            .filter(|request| request.line.starts_with(beginning))
            .count()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Connections that were ever made.
    pub fn connections(&self) -> usize {
        self.state().accepted
    }

    pub fn open_watches(&self) -> usize {
        let mut state = self.state();
        state.watches.retain(|(_, sender)| !sender.is_closed());
        state.watches.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiServer").finish_non_exhaustive()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set_mode(Mode::Down);
    }
}

impl State {
    /// Tells of the change that led to the present version.
    fn change(&mut self, kind: &'static str, event: &Value) {
        let line = format!("{event}\n");
        self.tell(kind, &line);
        if self.past.len() == REMEMBERED {
            self.past.pop_front();
        }
        self.past.push_back((self.version, kind, line));
    }

    fn tell(&self, kind: &str, line: &str) {
        for (_, sender) in self.watches.iter().filter(|(of, _)| *of == kind) {
            let _ = sender.send(line.to_owned());
        }
    }

    /// A watch on what has changed since a version; 410 if that is forgotten.
    fn watch(&mut self, kind: &'static str, since: u64) -> Answer {
        let oldest = self.past.front().map_or(u64::MAX, |(version, ..)| *version);
        if self.past.len() == REMEMBERED && since + 1 < oldest {
            return failure(410, "too old");
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        for (version, of, line) in &self.past {
            if *version > since && *of == kind {
                let _ = sender.send(line.clone());
            }
        }
        self.watches.push((kind, sender));
        Answer::Lines(receiver)
    }

    /// The answer to one request: status and body, or lines without an end;
    /// nothing if the connection is to be closed.
    fn answer(&mut self, request: Request) -> Option<Answer> {
        let line = request.line.clone();
        self.requests.push(request);
        let watching = line.contains("watch=true");
        match self.mode {
            Mode::Down => return None,
            Mode::Frozen => return Some(Answer::Never),
            Mode::Throttling if line != "GET /version" => {
                return Some(failure(429, "too many requests"));
            }
            Mode::Forbidding => return Some(failure(403, "not for you")),
            Mode::Starting if line != "GET /version" => return Some(failure(403, "not yet")),
            Mode::Expired if watching => return Some(failure(410, "too old")),
            Mode::Unlisted if line.contains("/pods?") => {
                return Some(failure(403, "not for you"));
            }
            Mode::Malformed if line.contains("labelSelector=") => {
                return Some(failure(400, "unable to parse requirement"));
            }
            Mode::Serving
            | Mode::Throttling
            | Mode::Starting
            | Mode::Expired
            | Mode::Unlisted
            | Mode::Malformed
            | Mode::Denying => {}
        }
        let path = line.split_once(' ').expect("a target").1;
        let path = path.split('?').next().expect("a path");
        let parts: Vec<_> = path.split('/').skip(1).collect();
        let answer = match (line.starts_with("POST"), parts.as_slice()) {
            (false, ["version"]) => Answer::Whole(200, version()),
            (false, ["api", "v1", kind @ ("pods" | "namespaces")]) => {
                let kind = if *kind == "pods" {
                    "pods"
                } else {
                    "namespaces"
                };
                if watching {
                    self.watch(kind, since(&line))
                } else {
                    let version = self.version.to_string();
                    let items = &self.objects[kind];
                    let list = json!({
                        "kind": "List",
                        "apiVersion": "v1",
                        "metadata": {"resourceVersion": version},
                        "items": items,
                    });
                    Answer::Whole(200, list)
                }
            }
            (false, ["api", "v1", "namespaces", namespace, "pods"]) => {
                let pods = self.objects["pods"].iter();
                let items: Vec<_> = pods
                    .filter(|pod| pod["metadata"]["namespace"] == *namespace)
                    .collect();
                let list = json!({
                    "kind": "List", "apiVersion": "v1", "metadata": {}, "items": items,
                });
                Answer::Whole(200, list)
            }
            (
                true,
                [
                    "apis",
                    "authorization.k8s.io",
                    "v1",
                    "selfsubjectaccessreviews",
                ],
            ) => {
                let body = &self.requests.last().expect("this one").body;
                let mut review: Value = serde_json::from_str(body).expect("JSON");
                review["status"] = json!({"allowed": self.mode != Mode::Denying});
                Answer::Whole(201, review)
            }
            (false, ["api", "v1", "namespaces", _, "pods", name]) => self.objects["pods"]
                .iter()
                .find(|pod| pod["metadata"]["name"] == *name)
                .map_or_else(
                    || failure(404, "pods not found"),
                    |pod| Answer::Whole(200, pod.clone()),
                ),
            (false, ["apis", "apps", "v1", "namespaces", _, "daemonsets", name]) => {
                let sets = &mut self.objects["daemonsets"].iter();
                sets.find(|set| set["metadata"]["name"] == *name)
                    .map_or_else(
                        || failure(404, "daemonsets not found"),
                        |set| Answer::Whole(200, set.clone()),
                    )
            }
            (true, ["apis", "events.k8s.io", "v1", "namespaces", _, "events"]) => {
                let body = &self.requests.last().expect("this one").body;
                Answer::Whole(201, serde_json::from_str(body).expect("JSON"))
            }
            _ => failure(404, "no such thing"),
        };
        Some(answer)
    }
}

enum Answer {
    Never,
    Whole(u16, Value),
    Lines(mpsc::UnboundedReceiver<String>),
}

fn failure(code: u16, message: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": "Scripted", "code": code,
    });
    Answer::Whole(code, status)
}

/// The version from which on a watch wants to know.
fn since(line: &str) -> u64 {
    let query = line.split_once('?').map_or("", |(_, query)| query);
    let mut parameters = query.split('&');
    let version = parameters.find_map(|parameter| parameter.strip_prefix("resourceVersion="));
    version.map_or(0, |version| version.parse().expect("a version"))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": "v1.34.4", "gitCommit": "", "gitTreeState": "",
        "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
    })
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    while let Some(request) = read_request(&mut stream).await {
        let answer = state.lock().expect("not poisoned").answer(request);
        let sent = match answer {
            None => return,
            Some(Answer::Never) => return std::future::pending().await,
            Some(Answer::Whole(status, body)) => send_whole(&mut stream, status, &body).await,
            Some(Answer::Lines(lines)) => send_lines(&mut stream, lines).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        let mut buffer = [0; 4096];
        let read = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|&read| read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let length = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.parse().expect("a length"));
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        body.push(stream.read_u8().await.ok()?);
    }
    let line = text.lines().next()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Request { line, body })
}

async fn send_whole(stream: &mut TcpStream, status: u16, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{}content-length: {}\r\n\r\n",
        if status == 429 {
            "retry-after: 1\r\n"
        } else {
            ""
        },
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await
}

async fn send_lines(
    stream: &mut TcpStream,
    mut lines: mpsc::UnboundedReceiver<String>,
) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 X\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    loop {
        let mut more = [0; 1];
        let line = tokio::select! {
            // A client says nothing while it watches: it has gone.
            _ = stream.read(&mut more) => return Ok(()),
            line = lines.recv() => line,
        };
        let Some(line) = line else { break };
        let chunk = format!("{:x}\r\n{line}\r\n", line.len());
        stream.write_all(chunk.as_bytes()).await?;
    }
    stream.write_all(b"0\r\n\r\n").await
}

/// Waits until `done` says so, for thirty seconds at most.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within thirty seconds");
}
