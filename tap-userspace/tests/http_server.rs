//! The agent's HTTP server, asked over a plain socket.
//!
//! If this fails, a scraper or a probe sees something else than what the agent
//! says, or a slow client costs it more than a connection.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;
use tap_userspace::adapter::http::{HttpServer, Page};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout},
};

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const DEADLINE: Duration = Duration::from_secs(30);

async fn start() -> (SocketAddr, JoinHandle<()>) {
    let server = HttpServer::bind(LOOPBACK).await.expect("a port");
    let address = server.address();
    let pages = |path: String| async move {
        match path.as_str() {
            "/there" => Some(Page::line(StatusCode::OK, "here it is")),
            "/broken" => Some(Page::line(StatusCode::SERVICE_UNAVAILABLE, "not now")),
            "/hangs" => std::future::pending().await,
            _ => None,
        }
    };
    (address, tokio::spawn(server.serve(pages)))
}

/// Sends `request` and reads to the end of the connection.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("to send");
    let mut text = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut text))
        .await
        .expect("an end")
        .expect("text");
    text
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nhost: podtap\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn a_path_answers_with_its_page_and_every_other_with_404() {
    let (address, _serving) = start().await;
    let there = get(address, "/there?query=is+ignored").await;
    assert!(there.starts_with("HTTP/1.1 200 OK\r\n"), "{there}");
    assert!(there.contains("content-type: text/plain"), "{there}");
    assert!(there.ends_with("\r\n\r\nhere it is\n"), "{there}");
    let broken = get(address, "/broken").await;
    assert!(broken.starts_with("HTTP/1.1 503 "), "{broken}");
    assert!(broken.ends_with("\r\n\r\nnot now\n"), "{broken}");
    for path in ["/", "/there/", "/etc/passwd", "//there"] {
        let missing = get(address, path).await;
        assert!(missing.starts_with("HTTP/1.1 404 "), "{path}: {missing}");
    }
}

#[tokio::test]
async fn nothing_but_get_and_head_is_answered() {
    let (address, _serving) = start().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = format!("{method} /there HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
        let refused = ask(address, &request).await;
        assert!(refused.starts_with("HTTP/1.1 405 "), "{method}: {refused}");
        assert!(refused.contains("allow: GET, HEAD\r\n"), "{refused}");
    }
    let head = ask(address, "HEAD /there HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "a body: {head}");
    let nonsense = ask(address, "what is this\r\n\r\n").await;
    assert!(nonsense.starts_with("HTTP/1.1 400 "), "{nonsense}");
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(60_000));
    let long = ask(address, &long).await;
    assert!(!long.starts_with("HTTP/1.1 200 "), "{long}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_slow_with_its_head_is_cut_off() {
    let (address, _serving) = start().await;
    let mut slow = TcpStream::connect(address).await.expect("a connection");
    slow.write_all(b"GET /there HTTP/1.1\r\nho")
        .await
        .expect("to send");
    let began = Instant::now();
    let mut text = String::new();
    timeout(DEADLINE, slow.read_to_string(&mut text))
        .await
        .expect("cut off")
        .expect("text");
    assert!(!text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(
        began.elapsed() <= Duration::from_secs(6),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn many_clients_that_say_nothing_only_delay_the_next_one() {
    let (address, _serving) = start().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(address).await.expect("a connection"));
    }
    let there = timeout(Duration::from_secs(60), get(address, "/there")).await;
    assert!(there.expect("an answer").ends_with("here it is\n"));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_comes_holds_its_connection_for_a_while_only() {
    let (address, _serving) = start().await;
    let nothing = timeout(Duration::from_secs(60), get(address, "/hangs")).await;
    assert_eq!(nothing.expect("cut off"), "");
}

#[tokio::test]
async fn its_end_closes_the_port_and_every_connection() {
    let (address, serving) = start().await;
    let mut open = TcpStream::connect(address).await.expect("a connection");
    get(address, "/there").await;
    serving.abort();
    let mut rest = Vec::new();
    // Closed or reset: nothing more comes either way.
    let _ = timeout(DEADLINE, open.read_to_end(&mut rest))
        .await
        .expect("an end");
    assert!(rest.is_empty());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_one_line_that_names_it() {
    let (address, _serving) = start().await;
    let error = HttpServer::bind(address).await.expect_err("a taken port");
    let line = error.to_string();
    assert!(line.contains(&format!("HTTP on {address}: ")), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
}
