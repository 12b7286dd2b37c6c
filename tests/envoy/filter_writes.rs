//! What the filter writes: the route header, the cookie; and what of a client's own headers survives.

use anyhow::Result;
use hyper::Method;
use serde_json::{Value, json};
use shunt_testbed::shop::Seen;
use shunt_testbed::{LocalShop, Reply, Scenario};

use crate::filter_rig::{Plan, Rig, policy};

const ROUTE: &str = "x-shunt-route";

/// Two versions and an Envoy whose filter decides by this service.
struct Stage {
    v1: LocalShop,
    v2: LocalShop,
    rig: Rig,
}

impl Stage {
    async fn new(service: Value) -> Result<Self> {
        let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
        let mut rig = Rig::start(Plan::new(&[("v1", v1.address()), ("v2", v2.address())])?).await?;
        rig.push(&policy(None, service)).await?;
        Ok(Self { v1, v2, rig })
    }

    /// Asks with these headers; the reply, and the request as it reached a version.
    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Result<(Reply, Seen)> {
        let mut ask = self.rig.client().request(Method::GET, path);
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        let reply = ask.send().await?;
        let shop = if reply.version().as_deref() == Some("v2") { &self.v2 } else { &self.v1 };
        let seen = shop.requests().pop().expect("the request reached a shop");
        Ok((reply, seen))
    }
}

fn everybody(version: &str) -> Value {
    json!({"salt": "s", "ranges": [{"from": 0, "to": 1_000_000, "version": version}]})
}

#[tokio::test]
async fn the_route_header_is_written_only_where_the_default_route_is_not_meant() -> Result<()> {
    let story = Scenario::new("one header, only when needed");
    story.given("testers get v2, everybody else v1, which the default route names");
    let stage =
        Stage::new(json!({"rules": [{"name": "testers", "match": [{"headers": {"x-tester": {"exact": "1"}}}], "split": everybody("v2")}]}))
            .await?;
    story.then("a tester's request carries the header and reaches v2");
    let (reply, seen) = stage.ask("/", &[("x-tester", "1"), ("cookie", "shunt-id=a")]).await?;
    assert_eq!((reply.version().as_deref(), seen.all(ROUTE)), (Some("v2"), vec!["shop/checkout/v2"]));
    story.then("others carry none and reach v1");
    let (reply, seen) = stage.ask("/", &[("cookie", "shunt-id=a")]).await?;
    assert_eq!((reply.version().as_deref(), seen.all(ROUTE)), (Some("v1"), vec![]));
    Ok(())
}

#[tokio::test]
async fn a_client_cannot_choose_its_version() -> Result<()> {
    let story = Scenario::new("smuggled headers");
    let stage = Stage::new(json!({})).await?;
    for smuggled in [vec!["shop/checkout/v2"], vec!["shop/checkout/v2", "shop/checkout/v2"], vec!["", "shop/checkout/v2"]] {
        story.when(format!("a client sends {smuggled:?}"));
        let headers: Vec<(&str, &str)> = smuggled.iter().map(|value| (ROUTE, *value)).collect();
        let (reply, seen) = stage.ask("/", &headers).await?;
        assert_eq!((reply.version().as_deref(), seen.all(ROUTE)), (Some("v1"), vec![]), "{smuggled:?}");
    }
    story.then("at a host without a policy it is removed as well");
    let reply = stage.rig.client().host("other.test").request(Method::GET, "/").header(ROUTE, "shop/checkout/v2").send().await?;
    assert_eq!(reply.version().as_deref(), Some("v1"));
    assert_eq!(stage.v1.requests().pop().expect("it came").all(ROUTE), Vec::<&str>::new());
    Ok(())
}

#[tokio::test]
async fn a_smuggled_header_does_not_join_the_one_that_is_written() -> Result<()> {
    let stage = Stage::new(json!({"split": everybody("v2")})).await?;
    let headers = [(ROUTE, "shop/checkout/v1"), (ROUTE, "shop/checkout/v3"), ("cookie", "shunt-id=a")];
    let (reply, seen) = stage.ask("/", &headers).await?;
    assert_eq!((reply.version().as_deref(), seen.all(ROUTE)), (Some("v2"), vec!["shop/checkout/v2"]));
    Ok(())
}

#[tokio::test]
async fn a_generated_key_is_kept_in_a_cookie_and_already_counts() -> Result<()> {
    let story = Scenario::new("a generated cookie");
    story.given("half of the keys go to v2, ids are generated");
    let half = json!({"salt": "s", "ranges": [{"from": 0, "to": 500_000, "version": "v2"}]});
    let stage = Stage::new(json!({"key": [{"cookie": "shunt-id", "generate": {"maxAge": "30d"}}], "split": half})).await?;
    let mut met = std::collections::BTreeSet::new();
    for number in 0..20 {
        let session = format!("session=s{number}");
        let (reply, seen) = stage.ask("/", &[("cookie", &session)]).await?;
        let set = reply.header_all("set-cookie");
        let [set] = set.as_slice() else { panic!("one cookie is set, not {set:?}") };
        let (pair, attributes) = set.split_once("; ").expect("attributes");
        assert_eq!(attributes, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
        assert!(met.insert(pair.to_owned()), "{pair} came twice");
        assert_eq!(seen.all("cookie"), vec![format!("{session}; {pair}")], "the service behind sees it at once");

        let (again, seen) = stage.ask("/", &[("cookie", pair)]).await?;
        assert_eq!(again.version(), reply.version(), "{pair} keeps its version");
        assert_eq!((again.header_all("set-cookie"), seen.all("cookie")), (vec![], vec![pair]));
    }
    story.then("a request without any cookie gets its first");
    let (_, seen) = stage.ask("/", &[]).await?;
    assert!(seen.header("cookie").is_some_and(|line| line.starts_with("shunt-id=")), "{:?}", seen.all("cookie"));
    Ok(())
}

#[tokio::test]
async fn a_reply_for_everybody_carries_no_users_cookie() -> Result<()> {
    let stage = Stage::new(json!({"key": [{"cookie": "shunt-id", "generate": {}}], "split": everybody("v2")})).await?;
    for (value, cookies) in [("public%2C+max-age=60", 0), ("max-age=60,+Public", 0), ("private", 1), ("max-age=60", 1)] {
        let (reply, _) = stage.ask(&format!("/reply?header=cache-control:{value}&header=set-cookie:own=1"), &[]).await?;
        let set = reply.header_all("set-cookie");
        assert_eq!(set.iter().filter(|cookie| cookie.starts_with("shunt-id=")).count(), cookies, "{value}: {set:?}");
        assert_eq!(set.iter().filter(|cookie| *cookie == "own=1").count(), 1, "the service's own cookie stays");
    }
    Ok(())
}

#[tokio::test]
async fn the_edge_removes_everything_of_ours_before_the_filter() -> Result<()> {
    let v1 = LocalShop::start("v1").await?;
    let mut plan = Plan::new(&[("v1", v1.address())])?;
    plan.strip = true;
    let mut rig = Rig::start(plan).await?;
    rig.push(&policy(None, json!({"versions": [{"name": "v1"}]}))).await?;
    let ask = rig.client().request(Method::GET, "/").header("x-shunt-shadow", "1").header("x-shunt-flags", "dark").header(ROUTE, "a/b/c");
    ask.header("x-other", "stays").send().await?;
    let seen = v1.requests().pop().expect("it came");
    let ours: Vec<&str> = seen.headers.iter().map(|header| header.name.as_str()).filter(|name| name.starts_with("x-shunt-")).collect();
    assert_eq!((ours, seen.header("x-other")), (vec![], Some("stays")));
    Ok(())
}
