//! A WebSocket client, for connections that stay open across a push.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::{WebSocketStream, client_async};

/// An open WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    socket: WebSocketStream<TcpStream>,
    version: Option<String>,
}

impl WebSocket {
    /// Opens one to `ws://<host><path>` at the address, with further headers.
    pub async fn open(address: SocketAddr, host: &str, path: &str, headers: &[(&str, &str)]) -> Result<Self> {
        let mut request = format!("ws://{host}{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        let (socket, response) = client_async(request, stream).await.context("the WebSocket's handshake")?;
        let version = response.headers().get("x-version").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Ok(Self { socket, version })
    }

    /// The version of the sample shop at the other end.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Sends a text and waits for its echo.
    pub async fn echo(&mut self, text: &str) -> Result<()> {
        self.socket.send(Message::text(text)).await?;
        match self.socket.next().await {
            Some(Ok(Message::Text(back))) if back.as_str() == text => Ok(()),
            other => bail!("sent {text:?}, got {other:?}"),
        }
    }

    /// Closes it from this side and waits for the other side's word.
    pub async fn close(mut self) -> Result<()> {
        self.socket.close(None).await?;
        while self.socket.next().await.is_some_and(|message| message.is_ok()) {}
        Ok(())
    }

    /// Waits until the other side closes.
    pub async fn closed(&mut self) {
        while self.socket.next().await.is_some_and(|message| message.is_ok_and(|message| !message.is_close())) {}
    }
}
