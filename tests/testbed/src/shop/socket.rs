//! The WebSocket echo.

use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use hyper::header::{HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::State;
use super::answer::{Body, whole};

/// True when the request asks for a WebSocket.
pub(super) fn wanted(head: &Parts) -> bool {
    let upgrade = head.headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    upgrade && head.headers.contains_key(SEC_WEBSOCKET_KEY)
}

/// 101, and an echo until either side closes or the shop stops.
pub(super) fn upgrade(state: &Arc<State>, head: &mut Parts) -> Response<Body> {
    let accept = head.headers.get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes())).unwrap_or_default();
    if let Some(upgrade) = head.extensions.remove::<OnUpgrade>() {
        let state = Arc::clone(state);
        state.sockets.send_modify(|open| *open += 1);
        tokio::spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                echo(upgraded, state.stop.subscribe()).await;
            }
            state.sockets.send_modify(|open| *open = open.saturating_sub(1));
        });
    }
    let mut response = Response::new(whole(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("connection", HeaderValue::from_static("upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&accept).unwrap_or(HeaderValue::from_static("")));
    response
}

async fn echo(upgraded: Upgraded, mut stop: watch::Receiver<bool>) {
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let sent = match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await,
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            Some(Ok(_)) => Ok(()),
        };
        if sent.is_err() {
            break;
        }
    }
    // The client may be gone already.
    let _ = socket.close(None).await;
}
