//! A small HTTP client that says exactly what it sends: HTTP/1.1 or h2c, duplicate headers, any bytes as values.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// How long a whole exchange may take, unless told otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Which protocol goes over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 in clear text, by prior knowledge.
    Http2,
}

/// Sends requests to one address, each over a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    wire: Wire,
    host: String,
    timeout: Duration,
}

impl Client {
    /// HTTP/1.1 to the address, which is the Host as well.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, wire: Wire::Http1, host: address.to_string(), timeout: TIMEOUT }
    }

    /// Another `Host` or `:authority`.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Another protocol.
    #[must_use]
    pub fn wire(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    /// Another limit for a whole exchange.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A request to be completed: `client.request(Method::POST, "/x").header("a", "b").send().await?`.
    pub fn request(&self, method: Method, path: &str) -> Ask {
        Ask { client: self.clone(), method, path: path.to_owned(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// GET without further headers.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.request(Method::GET, path).send().await
    }

    /// POST with a JSON body.
    pub async fn post_json(&self, path: &str, body: &impl serde::Serialize) -> Result<Reply> {
        let body = serde_json::to_vec(body)?;
        self.request(Method::POST, path).header("content-type", "application/json").body(body).send().await
    }
}

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Ask {
    client: Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Ask {
    /// Adds a header; the same name may come several times.
    ///
    /// # Panics
    /// When it is not a header at all (a line break in the value, a space in the name).
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header value");
        self.headers.append(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and reads the whole reply. An error is a broken exchange; a status of 500 is a reply.
    pub async fn send(self) -> Result<Reply> {
        let limit = self.client.timeout;
        let what = format!("{} http://{}{}", self.method, self.client.host, self.path);
        tokio::time::timeout(limit, async { Reply::read(self.start().await?).await })
            .await
            .with_context(|| format!("{what}: no whole reply within {limit:?}"))?
            .context(what)
    }

    /// Sends it and returns when the reply's headers are there; the body is read by the caller.
    pub async fn start(self) -> Result<Response<Incoming>> {
        let Client { address, wire, host, .. } = &self.client;
        let io = TokioIo::new(TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?);
        let body = Full::new(self.body.clone());
        Ok(match wire {
            Wire::Http1 => {
                let (mut sender, connection) = http1::handshake(io).await?;
                tokio::spawn(connection.with_upgrades());
                let mut request = Request::builder().method(self.method).uri(self.path).body(body)?;
                *request.headers_mut() = self.headers;
                if !request.headers().contains_key("host") {
                    request.headers_mut().insert("host", HeaderValue::from_str(host)?);
                }
                sender.send_request(request).await?
            }
            Wire::Http2 => {
                let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                let uri = Uri::builder().scheme("http").authority(host.as_str()).path_and_query(self.path).build()?;
                let mut request = Request::builder().method(self.method).uri(uri).body(body)?;
                *request.headers_mut() = self.headers;
                sender.send_request(request).await?
            }
        })
    }
}

/// A whole reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Its trailers; empty when there were none.
    pub trailers: HeaderMap,
}

impl Reply {
    /// Reads the rest of a reply. An error when the body breaks off.
    pub async fn read(response: Response<Incoming>) -> Result<Self> {
        let (head, body) = response.into_parts();
        let body = body.collect().await.context("reading the body")?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok(Self { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes(), trailers })
    }

    /// The first header of that name as text; `None` when it is absent.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// All headers of that name as text.
    pub fn header_all(&self, name: &str) -> Vec<String> {
        self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; the error shows what it was instead.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).with_context(|| format!("status {}, body {}", self.status, self.text()))
    }

    /// The version of the sample shop that answered (`x-version`).
    pub fn version(&self) -> Option<String> {
        self.header("x-version")
    }
}
