//! Server-sent events.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

use crate::fixture::{Server, cart, checkout, problem};

/// The data of the next event; none at the end of the stream.
async fn event(response: &mut Response, buffer: &mut String) -> Option<Value> {
    loop {
        if let Some((event, rest)) = buffer.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned())) {
            *buffer = rest;
            if let Some(data) = event.strip_prefix("event: rollouts\ndata: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
            continue;
        }
        let chunk = timeout(Duration::from_secs(10), response.chunk()).await.expect("an event or the end").unwrap()?;
        buffer.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

fn revisions(list: &Value) -> Vec<(&str, u64)> {
    list["rollouts"].as_array().unwrap().iter().map(|view| (view["id"].as_str().unwrap(), view["revision"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn now_then_every_change_then_the_end() {
    let server = Server::start().await;
    let mut response = server.get("/v1/watch").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut buffer = String::new();
    let first = event(&mut response, &mut buffer).await.unwrap();
    assert_eq!(revisions(&first), [("shop/cart", 0), ("shop/checkout", 1)]);
    server.rollouts.send_replace(Arc::new(vec![Arc::new(cart()), Arc::new(checkout(2))]));
    let second = event(&mut response, &mut buffer).await.unwrap();
    assert_eq!(revisions(&second), [("shop/cart", 0), ("shop/checkout", 2)]);
    server.stopping.send_replace(true);
    assert_eq!(event(&mut response, &mut buffer).await, None);
}

/// Changes of others are not sent: the next event after the first is the one that concerns it.
#[tokio::test]
async fn one_rollout_only() {
    let server = Server::start().await;
    let mut response = server.get("/v1/watch?rollout=shop/cart").await;
    let mut buffer = String::new();
    assert_eq!(revisions(&event(&mut response, &mut buffer).await.unwrap()), [("shop/cart", 0)]);
    server.rollouts.send_replace(Arc::new(vec![Arc::new(cart()), Arc::new(checkout(2))]));
    let mut changed = cart();
    changed.view.revision = 5;
    server.rollouts.send_replace(Arc::new(vec![Arc::new(changed), Arc::new(checkout(3))]));
    assert_eq!(revisions(&event(&mut response, &mut buffer).await.unwrap()), [("shop/cart", 5)]);
    server.rollouts.send_replace(Arc::default());
    assert_eq!(revisions(&event(&mut response, &mut buffer).await.unwrap()), []);
}

#[tokio::test]
async fn unknown_ones_cannot_be_watched() {
    let server = Server::start().await;
    assert_eq!(problem(server.get("/v1/watch?rollout=shop/nothing").await).await.0, 404);
    assert_eq!(problem(server.get("/v1/watch?rollout=nothing").await).await.0, 400);
}
