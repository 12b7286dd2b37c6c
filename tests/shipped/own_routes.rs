//! `envoy/own-routes`: listeners, routes and clusters are the user's; the control plane brings the filter and its configuration.

use std::time::Duration;

use anyhow::Result;
use shunt_testbed::envoy::{Envoy, EnvoyOptions};
use shunt_testbed::{Client, ControlPlane, Load, LocalShop, Scenario, until};

use super::read;
use super::static_envoy::filled;

const ID: &str = "shop/checkout";
const FILE: &str = "checkout.yaml";
const USERS: usize = 400;
const SOON: Duration = Duration::from_secs(25);
const RUN: Duration = Duration::from_secs(90);

/// The manifest as shipped, but for its times: no test waits ten minutes.
fn manifest(release: &str) -> String {
    let text = read("envoy/own-routes/checkout.yaml");
    let short = text.replace("duration: 10m", "duration: 1s").replace("release: v1", &format!("release: {release}"));
    assert!(short.contains("duration: 1s") && !short.contains("10m"), "{short}");
    format!("{short}  keepOld: 0s\n  analysis: {{metrics: [{{name: errors, successRate: {{noWorseThanStable: {{}}}}, minSamples: 20}}]}}\n")
}

/// The Envoy as shipped, at ports that are free here.
fn bootstrap(control: &ControlPlane, v1: &LocalShop, v2: &LocalShop) -> String {
    let port = |address: std::net::SocketAddr| format!("port_value: {}", address.port());
    filled("envoy/own-routes/envoy.yaml", v1, v2)
        .replace("port_value: 18000", &port(control.xds()))
        .replace("port_value: 18080", &port(control.api()))
}

async fn envoy(control: &ControlPlane, v1: &LocalShop, v2: &LocalShop) -> Result<Envoy> {
    Envoy::start(&bootstrap(control, v1, v2), EnvoyOptions::default()).await
}

/// Whether the policy that the proxies have names this service, and what it says everybody gets.
async fn everybody(control: &ControlPlane) -> Option<String> {
    let policy: serde_json::Value = control.get_json("/v1/policy").await.ok()?;
    let service = policy["services"].as_array()?.iter().find(|service| service["name"] == ID)?;
    let ranges = service["split"]["ranges"].as_array().cloned().unwrap_or_default();
    match ranges.as_slice() {
        [] => service["stable"].as_str().map(str::to_owned),
        [range] if range["from"] == 0 && range["to"] == 1_000_000 => range["version"].as_str().map(str::to_owned),
        _ => None,
    }
}

#[tokio::test]
async fn a_canary_over_routes_of_the_users_own() -> Result<()> {
    let story = Scenario::new("envoy/own-routes runs as it is written");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let mut control = ControlPlane::start(&[(FILE, &manifest("v1"))]).await?;
    let envoy = envoy(&control, &v1, &v2).await?;
    let address = envoy.listener("edge").await?;
    let load = Load::new(address).users(USERS).rate(200.0).start();
    control.until_rollout("v1 is in place", ID, SOON, |view| view["phase"] == "Healthy" && view["stable"] == "v1").await?;
    until("everybody has met v1", SOON, || async { load.tally().users_of("v1") == USERS }).await?;

    story.when("release names v2");
    control.write(FILE, &manifest("v2"))?;
    control.until_rollout("v2 is stable", ID, RUN, |view| view["phase"] == "Healthy" && view["stable"] == "v2").await?;
    let mark = load.mark();
    until("everybody has been answered by v2", SOON, || async { load.tally_since(mark).of_version("v2") > 300 }).await?;

    story.then("the entry stays in the policy, because the default route goes on naming v1");
    assert_eq!(everybody(&control).await.as_deref(), Some("v2"));
    assert_eq!(load.tally_since(mark).of_version("v1"), 0);
    let direct = Client::new(address).host("other.test").get("/").await?;
    assert_eq!(direct.version().as_deref(), Some("v1"), "a request that the filter does not decide goes where the user's routes say");

    story.when("the control plane is killed");
    control.kill();
    let mark = load.mark();
    until("many more requests have ended", SOON, || async { load.mark() > mark + 400 }).await?;
    story.then("nothing changes");
    let after = load.tally_since(mark);
    assert_eq!((after.of_version("v1"), after.failed()), (0, 0), "{}", after.summary());

    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    assert_eq!(all.flips(1), 0, "no user changes version twice: {}", all.summary());

    story.when("the filter is gone, because an Envoy starts without a control plane");
    let lone = self::envoy(&control, &v1, &v2).await?;
    let client = Client::new(lone.listener("edge").await?).host("shop.test");
    story.then("the default route answers, and a client's own header does not count");
    for header in ["shop/checkout/v2", "shop/checkout/v1"] {
        let reply = client.request(hyper::Method::GET, "/").header("x-shunt-route", header).send().await?;
        assert_eq!(reply.version().as_deref(), Some("v1"), "{header}");
    }
    Ok(())
}

/// Requests come so rarely that pauses between those for v2 are longer than the proof watches.
#[tokio::test]
async fn a_value_without_a_route_holds_the_step() -> Result<()> {
    let story = Scenario::new("own routes with a mistyped value for v2");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let control = ControlPlane::start(&[(FILE, &manifest("v1"))]).await?;
    let right = bootstrap(&control, &v1, &v2);
    let wrong = right.replace("exact: shop/checkout/v2", "exact: shop/checkout/v02");
    assert_ne!(wrong, right);
    let mut envoy = Envoy::start(&wrong, EnvoyOptions::default()).await?;
    let load = Load::new(envoy.listener("edge").await?).users(USERS).rate(8.0).start();
    control.until_rollout("v1 is in place", ID, SOON, |view| view["phase"] == "Healthy" && view["stable"] == "v1").await?;

    story.when("release names v2");
    control.write(FILE, &manifest("v2"))?;
    let missing = "edge-1 has no route for `x-shunt-route: shop/checkout/v2` that leads to cluster checkout-v2";
    let says_so = |view: &serde_json::Value| view["message"].as_str().is_some_and(|message| message.contains(missing));
    control.until_rollout("the missing route is named", ID, RUN, says_so).await?;
    let astray = |view: &serde_json::Value| view["misrouted"].as_u64().is_some_and(|misrouted| misrouted >= 8);
    let view = control.until_rollout("many more went astray", ID, RUN, astray).await?;
    story.then("the weight is held, however long the pauses between them; it may have been proved before any request was decided for v2");
    assert!(says_so(&view), "{view:#}");
    assert_eq!(view["versions"][1]["weight"], 5, "{view:#}");
    let history = control.cli_ok(&["history", ID]).await?;
    assert!(!history.contains("setWeight 5: proved") || history.contains("no traffic yet"), "{history}");
    let all = load.stop().await;
    assert_eq!((all.of_version("v2"), all.failed()), (0, 0), "the default route answers: {}", all.summary());

    story.when("the Envoy starts anew with the right value");
    envoy.stop().await?;
    let envoy = Envoy::start(&right, EnvoyOptions::default()).await?;
    let load = Load::new(envoy.listener("edge").await?).users(USERS).rate(200.0).start();
    story.then("the step is proved by v2's own answers");
    control.until_rollout("v2 is stable", ID, RUN, |view| view["phase"] == "Healthy" && view["stable"] == "v2").await?;
    assert_eq!(load.stop().await.failed(), 0);
    Ok(())
}
