//! Sends a request of the table exactly as it is written, over HTTP/1.1 byte by byte, or over HTTP/2.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::Method;
use shunt_testbed::{Client, Wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::table::{Body, RawRequest};

const PATIENCE: Duration = Duration::from_secs(10);

/// What of a reply matters.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// All lines of a header joined by `, `; none when it is absent.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }
}

/// Whether the protocol can say this request: `transfer-encoding` is HTTP/1.1's.
pub(super) fn fits(wire: Wire, request: &RawRequest) -> bool {
    wire == Wire::Http1 || !matches!(request.body, Body::Chunked(_))
}

/// Sends it and returns what came back.
pub(super) async fn send(to: SocketAddr, wire: Wire, request: &RawRequest) -> Result<Answer> {
    match wire {
        Wire::Http1 => tokio::time::timeout(PATIENCE, http1(to, request)).await.context("no whole reply in time")?,
        Wire::Http2 => http2(to, request).await,
    }
}

async fn http1(to: SocketAddr, request: &RawRequest) -> Result<Answer> {
    let mut bytes = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.path, request.authority).into_bytes();
    for (name, value) in request.lines() {
        bytes.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
    }
    bytes.extend(match request.body {
        Body::None => b"connection: close\r\n\r\n".to_vec(),
        Body::Length(length) => format!("content-length: {length}\r\nconnection: close\r\n\r\n{}", "x".repeat(length)).into_bytes(),
        Body::Chunked(length) => {
            format!("transfer-encoding: chunked\r\nconnection: close\r\n\r\n{length:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(length)).into_bytes()
        }
    });
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(&bytes).await?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await?;
    parse(&String::from_utf8_lossy(&reply))
}

fn parse(reply: &str) -> Result<Answer> {
    let (head, _) = reply.split_once("\r\n\r\n").with_context(|| format!("no whole head: {reply:?}"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).with_context(|| format!("no status: {head:?}"))?;
    let pairs = lines.filter_map(|line| line.split_once(':'));
    Ok(Answer { status, headers: pairs.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect() })
}

async fn http2(to: SocketAddr, request: &RawRequest) -> Result<Answer> {
    let client = Client::new(to).wire(Wire::Http2).host(&request.authority).timeout(PATIENCE);
    let mut ask = client.request(Method::from_bytes(request.method.as_bytes())?, &request.path);
    for (name, value) in request.lines() {
        ask = ask.header(name, value);
    }
    if let Body::Length(length) = request.body {
        ask = ask.body("x".repeat(length));
    }
    let reply = ask.send().await?;
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = reply.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    Ok(Answer { status: reply.status, headers })
}
