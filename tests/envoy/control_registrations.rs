//! Instances that register themselves: in discovery while they renew, out when they ask or fall silent, and no request fails.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use hyper::Method;
use serde_json::Value;
use shunt_testbed::{Client, ControlPlane, Load, LocalShop, Scenario, until};
use tokio::task::JoinHandle;

use crate::control_instances_rig::{CHANGE, instances};
use crate::control_rig::{FILE, ROLLOUT, STEP, live, proxy};

const MANIFEST: &str = "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  service: {hosts: [shop.test]}
  versions:
    - {name: v1, register: {instances: 2, ttl: 4s}}
  release: v1
  drainDeadline: 2s
";

/// Asks about one instance; the status, and where it is in its life.
async fn ask(control: &ControlPlane, method: Method, address: SocketAddr) -> Result<(u16, String)> {
    let reply = Client::new(control.api()).request(method, &endpoint(address)).send().await?;
    let body: Value = reply.json().unwrap_or_default();
    Ok((reply.status, body["state"].as_str().unwrap_or_default().to_owned()))
}

fn endpoint(address: SocketAddr) -> String {
    format!("/v1/rollouts/{ROLLOUT}/versions/v1/endpoints/{address}")
}

/// Registers it again and again, as an instance does; a control plane that is away is asked again.
fn renew(api: SocketAddr, address: SocketAddr) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut due = tokio::time::interval(Duration::from_millis(500));
        loop {
            due.tick().await;
            drop(Client::new(api).request(Method::PUT, &endpoint(address)).send().await);
        }
    })
}

fn states(view: &Value) -> Vec<String> {
    instances(view, "v1").iter().filter_map(|one| one["state"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn instances_that_register_come_and_go_without_a_failed_request() -> Result<()> {
    let story = Scenario::new("instances that register themselves");
    let mut control = ControlPlane::start(&[(FILE, MANIFEST)]).await?;
    let (_envoy, address) = proxy(&control, "edge-1").await?;
    let shops = [LocalShop::start("v1").await?, LocalShop::start("v1").await?, LocalShop::start("v1").await?];
    let [steady, silent, leaving] = [&shops[0], &shops[1], &shops[2]].map(LocalShop::address);
    for shop in [steady, silent, leaving] {
        assert_eq!(ask(&control, Method::PUT, shop).await?, (200, "ready".to_owned()));
    }
    control.until_rollout("all are in place", ROLLOUT, CHANGE, |view| live(view) && states(view).len() == 3).await?;
    // It renews for as long as the test runs, also while the test waits for something else.
    let renewing = renew(control.api(), steady);
    let load = Load::new(address).users(200).rate(200.0).start();
    until("requests", STEP, || async { load.tally().requests() >= 100 }).await?;

    assert_eq!(ask(&control, Method::DELETE, leaving).await?, (202, "leaving".to_owned()));
    until("it may stop", CHANGE, || async { matches!(ask(&control, Method::GET, leaving).await, Ok((404, _))) }).await?;
    shops[2].order_stop();
    story.then("one that asked to go is gone");

    control.kill();
    control.restart().await?;
    // While it starts it knows no instance.
    until("it is still known", CHANGE, || async { matches!(ask(&control, Method::GET, steady).await, Ok((200, _))) }).await?;
    until("the silent one is gone", CHANGE, || async { matches!(ask(&control, Method::GET, silent).await, Ok((404, _))) }).await?;
    shops[1].order_stop();
    story.then("one that fell silent is gone");

    let mark = load.mark();
    until("requests by the one that is left", STEP, || async { load.tally_since(mark).requests() >= 200 }).await?;
    let all = load.stop().await;
    renewing.abort();
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn addresses_that_cannot_be_are_refused() -> Result<()> {
    let control = ControlPlane::start(&[(FILE, MANIFEST)]).await?;
    let put = async |tail: &str| -> Result<(u16, String)> {
        let path = format!("/v1/rollouts/{ROLLOUT}/versions/{tail}");
        let reply = Client::new(control.api()).request(Method::PUT, &path).send().await?;
        Ok((reply.status, reply.text()))
    };
    control.until_rollout("it is there", ROLLOUT, STEP, |view| view["stable"] == "v1").await?;
    let (status, text) = put("v1/endpoints/shop.test:80").await?;
    assert!(status == 400 && text.contains("ip:port"), "{status} {text}");
    let (status, text) = put("v9/endpoints/10.0.0.7:80").await?;
    assert!(status == 404 && text.contains("v9"), "{status} {text}");
    Ok(())
}
