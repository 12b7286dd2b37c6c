//! Connections that are kept alive.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// One connection.
pub(super) type Lane = SendRequest<Full<Bytes>>;

/// Idle connections to one address, the last used first.
#[derive(Debug)]
pub(super) struct Pool {
    address: SocketAddr,
    idle: Mutex<Vec<Lane>>,
}

impl Pool {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::default() }
    }

    /// Sends over an idle connection, or a new one. The connection comes back with the reply; give it back when the body is read.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<(Response<Incoming>, Lane), String> {
        let mut request = request;
        while let Some(mut lane) = self.take() {
            match lane.try_send_request(request).await {
                Ok(response) => return Ok((response, lane)),
                // It was closed before the request was sent: the server has not seen it, another connection may have it.
                Err(mut error) => match error.take_message() {
                    Some(back) => request = back,
                    None => return Err(text(error.error())),
                },
            }
        }
        let mut lane = self.connect().await?;
        let response = lane.send_request(request).await.map_err(|error| text(&error))?;
        Ok((response, lane))
    }

    pub(super) fn give_back(&self, lane: Lane) {
        if !lane.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
        }
    }

    fn take(&self) -> Option<Lane> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn connect(&self) -> Result<Lane, String> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| format!("connecting: {error}"))?;
        let _ = stream.set_nodelay(true);
        let (lane, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
        tokio::spawn(connection);
        Ok(lane)
    }
}

/// The error with its causes.
fn text(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
