//! How requests are counted, however they end: the filter's classes against what a client and the upstreams saw.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::Method;
use serde_json::{Value, json};
use shunt_filter_core::report::Counters;
use shunt_testbed::until::until_some;
use shunt_testbed::websocket::WebSocket;
use shunt_testbed::{Fault, LocalShop, Receiver, Scenario, Wire};

use crate::filter_rig::{Plan, Rig, SOON, counted, live, merge, parts, policy, settled, sum, total, version};

/// Everybody gets this version by the service's split, and an analysis runs.
fn all_to(version: &str) -> Value {
    json!({"analysis": true, "epoch": 1, "split": {"salt": "s", "ranges": [{"from": 0, "to": 1_000_000, "version": version}]}})
}

/// An Envoy with reports, and what was counted before.
struct Stage {
    rig: Rig,
    receiver: Receiver,
    before: Counters,
}

impl Stage {
    async fn new(mut plan: Plan, service: Value) -> Result<Self> {
        let receiver = Receiver::start().await?;
        plan.receiver = Some(receiver.address());
        let mut rig = Rig::start(plan).await?;
        let generation = rig.push(&policy(Some(receiver.address()), service)).await?;
        live(&receiver, generation).await?;
        Ok(Self { rig, receiver, before: Counters::default() })
    }

    /// What was counted since the last call, once `started` more requests have ended.
    async fn counts(&mut self, what: &str, started: u64) -> Result<[u64; 5]> {
        let now = settled(&self.receiver, self.before.started + started).await.with_context(|| what.to_owned())?;
        let before = std::mem::replace(&mut self.before, now.clone());
        Ok([
            now.succeeded - before.succeeded,
            now.failed - before.failed,
            now.abandoned - before.abandoned,
            now.cancelled - before.cancelled,
            now.uncounted - before.uncounted,
        ])
    }
}

const SUCCEEDED: [u64; 5] = [1, 0, 0, 0, 0];
const FAILED: [u64; 5] = [0, 1, 0, 0, 0];
const ABANDONED: [u64; 5] = [0, 0, 1, 0, 0];
const CANCELLED: [u64; 5] = [0, 0, 0, 1, 0];
const UNCOUNTED: [u64; 5] = [0, 0, 0, 0, 1];

/// An address where no process listens.
fn unused_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

#[tokio::test]
async fn replies_of_the_upstream() -> Result<()> {
    let shop = LocalShop::start("v2").await?;
    let mut plan = Plan::new(&[("v2", shop.address())])?;
    plan.action = json!({"timeout": "0.3s"});
    let mut stage = Stage::new(plan, all_to("v2")).await?;
    let cases = [
        ("/", 200, SUCCEEDED),
        ("/reply?status=404", 404, SUCCEEDED),
        ("/reply?status=302", 302, SUCCEEDED),
        ("/reply?status=500", 500, FAILED),
        ("/reply?status=503", 503, FAILED),
        ("/reset", 503, FAILED),
        ("/slow?ms=1500", 504, FAILED),
    ];
    for (path, status, class) in cases {
        let reply = stage.rig.client().request(Method::GET, path).header("cookie", "shunt-id=a").send().await?;
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(stage.counts(path, 1).await?, class, "{path}");
        assert_eq!(sum(&stage.receiver, |part| part.misrouted + part.unrouted), 0, "{path}");
    }
    let broken = stage.rig.client().request(Method::GET, "/reset-body").header("cookie", "shunt-id=a").send();
    broken.await.expect_err("the body breaks off");
    assert_eq!(stage.counts("a reset in the body", 1).await?, FAILED);
    assert_eq!(total(&stage.receiver).latency.iter().sum::<u64>(), 8, "each has had response headers");
    assert_eq!((sum(&stage.receiver, |part| part.misrouted), sum(&stage.receiver, |part| part.unrouted)), (0, 0));
    Ok(())
}

#[tokio::test]
async fn replies_that_envoy_makes_itself() -> Result<()> {
    let shop = LocalShop::start("v1").await?;
    let mut plan = Plan::new(&[("v1", shop.address())])?;
    plan.versions.extend([("refused", Some(unused_address()?)), ("empty", None)]);
    let direct = |path: &str, status: u16| json!({"match": {"path": path}, "direct_response": {"status": status}});
    let mut held = direct("/held", 503);
    merge(&mut held, json!({"response_headers_to_add": [{"header": {"key": "x-shunt-held", "value": "1"}}]}));
    let gone = json!({"match": {"path": "/gone"}, "route": {"cluster": "gone"}});
    plan.routes = vec![direct("/direct", 200), direct("/direct-503", 503), held, gone];
    plan.manager = json!({"route_config": {"validate_clusters": false}});
    let rule = |name: &str| {
        let matches = json!([{"headers": {"x-want": {"exact": name}}}]);
        json!({"name": name, "match": matches, "split": {"salt": "s", "weights": {name: 100}}})
    };
    let versions = json!([version("v1"), version("refused"), version("empty")]);
    let service = json!({"versions": versions, "rules": [rule("refused"), rule("empty")]});
    let mut stage = Stage::new(plan, service).await?;
    let cases = [
        ("/", "refused", 503, FAILED, 0),
        ("/", "empty", 503, FAILED, 0),
        ("/direct", "", 200, SUCCEEDED, 1),
        ("/direct-503", "", 503, FAILED, 1),
        ("/gone", "", 503, FAILED, 1),
        ("/held", "", 503, UNCOUNTED, 0),
    ];
    let mut unrouted = 0;
    for (path, want, status, class, more) in cases {
        let reply = stage.rig.client().request(Method::GET, path).header("x-want", want).send().await?;
        assert_eq!(reply.status, status, "{path} {want}");
        assert_eq!(stage.counts(path, 1).await?, class, "{path} {want}");
        unrouted += more;
        assert_eq!(sum(&stage.receiver, |part| part.unrouted), unrouted, "{path} {want}");
    }
    assert_eq!(sum(&stage.receiver, |part| part.misrouted), 0);
    assert_eq!(sum(&stage.receiver, |part| part.rules.get("refused").copied().unwrap_or(0)), 1);
    Ok(())
}

#[tokio::test]
async fn clients_that_leave() -> Result<()> {
    let shop = LocalShop::start("v2").await?;
    let mut stage = Stage::new(Plan::new(&[("v2", shop.address())])?, all_to("v2")).await?;
    let before = tokio::spawn(stage.rig.client().request(Method::GET, "/slow?ms=3000").send());
    until_some("the request is at the upstream", SOON, || async { (shop.counts().open == 1).then_some(()) }).await?;
    before.abort();
    assert_eq!(stage.counts("before the answer", 1).await?, ABANDONED);

    let response = stage.rig.client().request(Method::GET, "/stream?chunks=100&ms=50").start().await?;
    assert_eq!(response.status(), 200);
    drop(response);
    assert_eq!(stage.counts("within the answer", 1).await?, CANCELLED);

    let response = stage.rig.client().wire(Wire::Http2).request(Method::GET, "/stream?chunks=100&ms=50").start().await?;
    drop(response);
    assert_eq!(stage.counts("within the answer, by HTTP/2", 1).await?, CANCELLED);
    Ok(())
}

#[tokio::test]
async fn websockets_end_well_whichever_side_closes() -> Result<()> {
    let mut shop = LocalShop::start("v2").await?;
    let mut stage = Stage::new(Plan::new(&[("v2", shop.address())])?, all_to("v2")).await?;
    let mut socket = WebSocket::open(stage.rig.address, "shop.test", "/ws", &[]).await?;
    socket.echo("hello").await?;
    assert_eq!(total(&stage.receiver).ended(), 0, "it is open");
    socket.close().await?;
    assert_eq!(stage.counts("closed by the client", 1).await?, SUCCEEDED);

    let socket = WebSocket::open(stage.rig.address, "shop.test", "/ws", &[]).await?;
    drop(socket);
    assert_eq!(stage.counts("dropped by the client", 1).await?, SUCCEEDED);

    let mut socket = WebSocket::open(stage.rig.address, "shop.test", "/ws", &[]).await?;
    shop.stop().await;
    socket.closed().await;
    assert_eq!(stage.counts("closed by the upstream", 1).await?, SUCCEEDED);
    assert_eq!(total(&stage.receiver).latency.iter().sum::<u64>(), 0, "upgrades have no latency");
    Ok(())
}

#[tokio::test]
async fn grpc_by_its_own_status() -> Result<()> {
    let shop = LocalShop::start("v2").await?;
    let mut plan = Plan::new(&[("v2", shop.address())])?;
    plan.versions.push(("refused", Some(unused_address()?)));
    plan.cluster = json!({"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }}});
    plan.routes = vec![json!({
        "match": {"path": "/shop.Checkout/Held"}, "direct_response": {"status": 503},
        "response_headers_to_add": [{"header": {"key": "x-shunt-held", "value": "1"}}, {"header": {"key": "retry-after", "value": "5"}}],
    })];
    let mut service = all_to("v2");
    let rule = json!({"name": "refused", "match": [{"headers": {"x-want": {"exact": "refused"}}}], "split": {"salt": "s", "weights": {"refused": 100}}});
    merge(&mut service, json!({"versions": [version("v1"), version("v2"), version("refused")], "rules": [rule]}));
    let mut stage = Stage::new(plan, service).await?;
    let grpc = stage.rig.client().wire(Wire::Http2);
    for (status, class) in
        [(0, SUCCEEDED), (2, FAILED), (4, FAILED), (5, SUCCEEDED), (13, FAILED), (14, FAILED), (15, FAILED), (16, SUCCEEDED)]
    {
        let ask = grpc.request(Method::POST, &format!("/shop.Checkout/Status{status}")).header("content-type", "application/grpc");
        let reply = ask.header("te", "trailers").send().await?;
        assert_eq!(
            (reply.status, reply.trailers.get("grpc-status").and_then(|value| value.to_str().ok())),
            (200, Some(status.to_string().as_str()))
        );
        assert_eq!(stage.counts(&format!("gRPC status {status}"), 1).await?, class, "gRPC status {status}");
    }
    let ask = grpc.request(Method::POST, "/shop.Checkout/Buy").header("content-type", "application/grpc").header("x-want", "refused");
    let reply = ask.send().await?;
    assert_eq!((reply.status, reply.header("grpc-status").as_deref()), (200, Some("14")), "Envoy's own reply in gRPC's form");
    assert_eq!(stage.counts("gRPC, refused", 1).await?, FAILED);

    // Without a cookie stable is decided, which is not there: those before went astray.
    let astray = sum(&stage.receiver, |part| part.misrouted + part.unrouted);
    let reply = grpc.request(Method::POST, "/shop.Checkout/Held").header("content-type", "application/grpc").send().await?;
    assert_eq!(
        (reply.status, reply.header("grpc-status").as_deref(), reply.header("x-shunt-held").as_deref()),
        (200, Some("14"), Some("1"))
    );
    assert_eq!(stage.counts("gRPC, held", 1).await?, UNCOUNTED);
    assert_eq!(sum(&stage.receiver, |part| part.misrouted + part.unrouted), astray, "a held reply is neither misrouted nor unrouted");

    let ask = grpc.request(Method::POST, "/reply?status=200&header=grpc-status:14").header("content-type", "application/grpc");
    assert_eq!(ask.send().await?.status, 200);
    assert_eq!(stage.counts("not gRPC, whatever the request says", 1).await?, SUCCEEDED);
    Ok(())
}

#[tokio::test]
async fn an_internal_redirect_counts_once() -> Result<()> {
    let shop = LocalShop::start("v2").await?;
    let mut plan = Plan::new(&[("v2", shop.address())])?;
    plan.action = json!({"internal_redirect_policy": {"max_internal_redirects": 1}});
    let mut stage = Stage::new(plan, all_to("v2")).await?;
    let reply = stage.rig.client().get("/reply?status=302&header=location:http://shop.test/found").await?;
    ensure!(reply.status == 200, "followed inside: {}", reply.status);
    assert_eq!(stage.counts("a redirect", 2).await?, [1, 0, 0, 0, 1]);
    assert_eq!(shop.counts().total, 2);
    Ok(())
}

#[tokio::test]
async fn retries_and_copies_never_count_twice() -> Result<()> {
    let story = Scenario::new("retries and copies");
    story.given("v2 breaks 40 % of its connections, retries are allowed, and v3 gets a copy of everything");
    let (v2, v3) = (LocalShop::start("v2").await?, LocalShop::start("v3").await?);
    v2.fault(Fault { reset_percent: 40.0, ..Fault::default() });
    let mut plan = Plan::new(&[("v2", v2.address()), ("v3", v3.address())])?;
    plan.action = json!({
        "retry_policy": {"retry_on": "reset,connect-failure", "num_retries": 20, "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.005s"}},
        "request_mirror_policies": [{"cluster": "shunt/shop/checkout/v3"}],
    });
    let mut service = all_to("v2");
    merge(&mut service, json!({"versions": [version("v1"), version("v2"), version("v3")]}));
    let mut stage = Stage::new(plan, service).await?;
    for number in 0..100 {
        let reply = stage.rig.client().request(Method::GET, "/").header("cookie", format!("shunt-id=u{number}")).send().await?;
        assert_eq!(reply.status, 200);
    }
    assert_eq!(stage.counts("100 requests", 100).await?, [100, 0, 0, 0, 0]);
    story.then("the upstream saw more, the filter counted the client's");
    assert!(v2.counts().total > 120, "{}", v2.counts().total);
    until_some("every copy has arrived", SOON, || async { (v3.counts().total == 100).then_some(()) }).await?;
    assert_eq!(counted(&stage.receiver, "v2").started, 100);
    let parts = parts(&stage.receiver);
    let epochs: Vec<_> = parts.iter().filter_map(|part| part.epoch.as_ref()).collect();
    assert!(epochs.iter().all(|epoch| epoch.epoch == 1));
    assert_eq!(epochs.iter().flat_map(|epoch| epoch.versions.values()).map(|counters| counters.succeeded).sum::<u64>(), 100);
    Ok(())
}

#[tokio::test]
async fn a_marked_copy_decides_nothing_and_counts_nowhere() -> Result<()> {
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let mut stage = Stage::new(Plan::new(&[("v1", v1.address()), ("v2", v2.address())])?, all_to("v2")).await?;
    let copy = stage.rig.client().request(Method::GET, "/").header("x-shunt-shadow", "1").header("x-shunt-route", "shop/checkout/v2");
    assert_eq!(copy.header("cookie", "shunt-id=a").send().await?.version().as_deref(), Some("v1"), "the default route");
    let seen = v1.requests().pop().context("the copy came")?;
    assert_eq!((seen.all("x-shunt-shadow"), seen.all("x-shunt-route")), (vec!["1"], vec![]), "the mark survives, the route does not");
    let reply = stage.rig.client().request(Method::GET, "/").header("cookie", "shunt-id=a").send().await?;
    assert_eq!(reply.version().as_deref(), Some("v2"));
    assert_eq!(stage.counts("one of two", 1).await?, SUCCEEDED);
    Ok(())
}

/// Kept apart: the longest wait of these tests.
#[tokio::test]
async fn a_stream_that_lasts_too_long_has_failed_whenever_it_was_cut() -> Result<()> {
    let shop = LocalShop::start("v2").await?;
    let mut plan = Plan::new(&[("v2", shop.address())])?;
    plan.manager = json!({"common_http_protocol_options": {"max_stream_duration": "0.3s"}});
    let mut stage = Stage::new(plan, all_to("v2")).await?;
    let slow = stage.rig.client().timeout(Duration::from_secs(5)).get("/slow?ms=2000").await?;
    assert_eq!(slow.status, 504);
    assert_eq!(stage.counts("before headers", 1).await?, FAILED);
    stage.rig.client().get("/stream?chunks=20&ms=100").await.expect_err("the body breaks off");
    assert_eq!(stage.counts("after headers", 1).await?, FAILED);
    Ok(())
}
