//! Connections that are good for nothing end.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;
use crate::tls::{Admission, ClientAuth, TlsMode, incoming};

const PATIENCE: Duration = Duration::from_secs(20);

async fn start(times: Times, router: Router) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = incoming(listener, TlsMode::Open, ClientAuth::AnyClient, Admission::default());
    tokio::spawn(serve(connections, router, times, std::future::pending()));
    address
}

async fn end(stream: &mut TcpStream) -> String {
    let mut all = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut all)).await.expect("an end").unwrap();
    all
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn a_connection_without_a_request_ends_and_one_with_a_slow_answer_does_not() {
    let (go, times) = (std::sync::Arc::new(Notify::new()), Times { idle: Duration::from_millis(50), ..Times::default() });
    let gate = go.clone();
    let slow = move || async move {
        gate.notified().await;
        "there"
    };
    let address = start(times, Router::new().route("/", get(|| async { "here" })).route("/slow", get(slow))).await;
    let mut asking = TcpStream::connect(address).await.unwrap();
    asking.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(REQUEST).await.unwrap();
    assert!(end(&mut idle).await.ends_with("here"), "answered, and then closed");
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(end(&mut silent).await, "");
    go.notify_one();
    assert!(end(&mut asking).await.ends_with("there"));
}

#[tokio::test]
async fn small_answers_keep_their_length() {
    let address = start(Times::default(), Router::new().route("/", get(|| async { "here" }))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(end(&mut stream).await.contains("content-length: 4"));
}
