//! What strangers meet at Shunt's listener: time limits, and ids that only a filter can sign.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hyper::Method;
use serde_json::Value;
use shunt_testbed::websocket::WebSocket;
use shunt_testbed::{Client, Scenario, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::control_rig::{FILE, RUN, Rig};

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_let_go() -> Result<()> {
    let rig = Rig::start(1, "").await?;
    let mut stream = TcpStream::connect(rig.address).await?;
    let begun = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\nx-slow: ").await?;
    let mut answer = Vec::new();
    timeout(RUN, stream.read_to_end(&mut answer)).await.context("the listener ends it")??;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(begun.elapsed() > Duration::from_secs(8), "slow clients have some time: {:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_service_says_how_long_its_streams_may_be_quiet() -> Result<()> {
    let story = Scenario::new("idle streams");
    let rig = Rig::start(1, "").await?;
    let open = || WebSocket::open(rig.address, "shop.test", "/ws", &[]);
    let mut lasting = open().await?;
    let with =
        |fields: &str| rig.control.write(FILE, &rig.manifest("v1").replace("hosts: [shop.test]", &format!("hosts: [shop.test], {fields}")));
    with("timeouts: {idle: 1s}")?;
    let ended = || async {
        let Ok(mut socket) = open().await else { return false };
        timeout(Duration::from_secs(3), socket.closed()).await.is_ok()
    };
    until("a quiet WebSocket ends", RUN, ended).await?;
    lasting.echo("still here").await.context("the default is minutes, and what was open keeps its limit")?;
    story.then("with idle: 1s a quiet WebSocket ends, one from before goes on");
    with("timeouts: {idle: 0s, stream: 2s}")?;
    let cut = || async {
        let Ok(mut socket) = open().await else { return false };
        let begun = Instant::now();
        while socket.echo("busy").await.is_ok() {
            if begun.elapsed() > Duration::from_secs(6) {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        begun.elapsed() > Duration::from_millis(1_500)
    };
    until("a busy WebSocket ends after its time", RUN, cut).await?;
    story.then("with stream: 2s a busy one ends too");
    Ok(())
}

#[tokio::test]
async fn ids_are_signed_with_a_key_that_the_api_does_not_show() -> Result<()> {
    let rig = Rig::start(2, "strategy: {canary: {steps: [{setWeight: 50}, {pause: {}}]}}").await?;
    let signed = rig.manifest("v2").replace("key: [{cookie: shunt-id}]", "key: [{cookie: shunt-id, generate: {signed: true}}]");
    rig.control.write(FILE, &signed)?;
    rig.until("v2 has half of the keys", RUN, |view| crate::control_rig::weight(view, "v2") == 50.0).await?;
    let value = || async {
        let answer = Client::new(rig.address).host("shop.test").request(Method::GET, "/").send().await.ok()?;
        let cookie = answer.headers.get("set-cookie")?.to_str().ok()?.to_owned();
        Some(cookie.strip_prefix("shunt-id=")?.split(';').next()?.to_owned())
    };
    until("ids are signed", RUN, || async { value().await.is_some_and(|value| value.len() == 51) }).await?;
    let policy: Value = rig.control.get_json("/v1/policy").await?;
    assert_eq!(policy["services"][0]["key"][0]["generate"]["signed"], true);
    assert!(policy.get("signing").is_none(), "the key is a secret of the control plane's and its proxies'");
    Ok(())
}
