//! What is no failure and yet may be wrong, who leaves before an answer and what hangs: by slots, by counts and as examples for people,
//! in a real Envoy.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use hyper::Method;
use serde_json::{Value, json};
use shunt_core::delivery::Reports;
use shunt_filter_core::outcome::ResponseClass;
use shunt_filter_core::report::{Counters, EpochReport, Slots};
use shunt_filter_core::{VersionName, split};
use shunt_spec::time::Time;
use shunt_testbed::client::Ask;
use shunt_testbed::until::until_some;
use shunt_testbed::{Fault, LocalShop, Receiver, Scenario, Wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::filter_rig::{Plan, Rig, SERVICE, SOON, live, merge, policy, settled, sum};

const CLASSES: [&str; 4] = ["redirect", "rejected", "empty", "rejectedGrpc"];

/// An Envoy that gives everybody v2, under analysis.
struct Stage {
    rig: Rig,
    receiver: Receiver,
    shop: LocalShop,
    asked: u64,
}

impl Stage {
    async fn start(change: impl FnOnce(&mut Plan), service: Value) -> Result<Self> {
        let shop = LocalShop::start("v2").await?;
        let receiver = Receiver::start().await?;
        let mut plan = Plan::new(&[("v2", shop.address())])?;
        plan.receiver = Some(receiver.address());
        change(&mut plan);
        let mut rig = Rig::start(plan).await?;
        let split = json!({"salt": "s", "ranges": [{"from": 0, "to": 1_000_000, "version": "v2"}]});
        let mut whole = json!({"analysis": true, "epoch": 3, "split": split, "responses": {"classes": CLASSES}});
        merge(&mut whole, service);
        let generation = rig.push(&policy(Some(receiver.address()), whole)).await?;
        live(&receiver, generation).await?;
        Ok(Self { rig, receiver, shop, asked: 0 })
    }

    /// A request of a user, counted as asked.
    fn ask(&mut self, wire: Wire, user: &str, method: Method, path: &str) -> Ask {
        self.asked += 1;
        self.rig.client().wire(wire).request(method, path).header("cookie", format!("shunt-id={user}"))
    }

    /// The epoch as the control plane knows it now.
    fn epoch(&self) -> Result<EpochReport> {
        let mut reports = Reports::default();
        for (number, report) in self.receiver.reports().into_iter().enumerate() {
            reports.take(report, Time(u64::try_from(number)?));
        }
        Ok(reports.epoch(&SERVICE.parse()?, 3))
    }

    /// The epoch once all requests have ended.
    async fn ended(&self) -> Result<EpochReport> {
        settled(&self.receiver, self.asked).await?;
        self.epoch()
    }

    /// The epoch once this is true of it.
    async fn until(&self, what: &str, holds: impl Fn(&EpochReport) -> bool) -> Result<EpochReport> {
        let now = || async { self.epoch().ok().filter(|epoch| holds(epoch)) };
        until_some(what, SOON, now).await.with_context(|| format!("{:?}", self.epoch()))
    }
}

fn v2() -> VersionName {
    "v2".parse().expect("a name")
}

fn slots(users: &[&str]) -> Slots {
    users.iter().map(|user| split::slot(split::point(split::hash(user.as_bytes(), split::seed("s"))))).collect()
}

/// The slots of each class.
fn classes(epoch: &EpochReport) -> BTreeMap<ResponseClass, Slots> {
    epoch.responses.iter().map(|(class, answers)| (*class, answers.slots.clone())).collect()
}

/// How many hang now.
fn hanging(epoch: &EpochReport) -> u64 {
    epoch.hanging.iter().flat_map(|hanging| hanging.versions.values()).sum()
}

/// The examples of v2, for people.
fn told(epoch: &EpochReport) -> Vec<String> {
    let of_v2 = epoch.exemplars.get(&v2());
    of_v2
        .into_iter()
        .flat_map(shunt_filter_core::exemplar::Exemplars::iter)
        .map(|exemplar| format!("{} x {exemplar}", exemplar.count))
        .collect()
}

/// Sends these bytes and reads what comes until the connection ends.
async fn raw(to: SocketAddr, bytes: &str) -> Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(bytes.as_bytes()).await?;
    let mut reply = Vec::new();
    // The end may be a reset.
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut reply)).await.context("no end of the reply")?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

#[tokio::test]
async fn answers_that_are_no_failures_have_a_class() -> Result<()> {
    let story = Scenario::new("response classes");
    let mut stage = Stage::start(|_| {}, json!({"responses": {"ignore": [307]}})).await?;
    let cases = [
        ("ann", Method::GET, "/reply?status=302&header=location:/", None),
        ("bob", Method::GET, "/reply?status=307&header=location:/", None),
        ("cid", Method::GET, "/reply?status=304", None),
        ("dan", Method::GET, "/reply?status=404&size=9", None),
        ("eve", Method::POST, "/reply?status=401", None),
        ("fay", Method::GET, "/reply?status=200&size=0", None),
        ("gus", Method::GET, "/stream?chunks=0", Some("chunked")),
        ("hal", Method::POST, "/reply?status=201&size=0", None),
        ("ian", Method::HEAD, "/reply?status=200&size=7", None),
        ("joe", Method::OPTIONS, "/reply?status=200&size=0", None),
        ("kim", Method::DELETE, "/reply?status=204", None),
        ("leo", Method::GET, "/reply?status=200&size=1", None),
        ("mia", Method::GET, "/stream?chunks=2&ms=1", Some("chunked")),
        ("ned", Method::GET, "/reply?status=503", None),
    ];
    for wire in [Wire::Http1, Wire::Http2] {
        for (user, method, path, encoding) in cases.clone() {
            let reply = stage.ask(wire, user, method, path).send().await?;
            if wire == Wire::Http1 {
                assert_eq!(reply.header("transfer-encoding").as_deref(), encoding, "{path}");
            }
        }
    }
    let epoch = stage.ended().await?;
    story.then(format!("{:?}", told(&epoch)));
    let expected = [
        (ResponseClass::Redirect, slots(&["ann"])),
        (ResponseClass::Rejected, slots(&["dan", "eve"])),
        (ResponseClass::Empty, slots(&["fay", "gus", "hal"])),
    ];
    assert_eq!(classes(&epoch), BTreeMap::from(expected));
    let count = |class| epoch.responses[&class].versions[&v2()];
    assert_eq!([ResponseClass::Redirect, ResponseClass::Rejected, ResponseClass::Empty].map(count), [2, 4, 6]);
    assert_eq!((&epoch.failed, &epoch.abandoned), (&slots(&["ned"]), &Slots::new()));
    assert_eq!(epoch.hanging, None, "the policy does not say after how long a request hangs");
    let told = told(&epoch);
    for line in ["2 x GET /reply: 503", "2 x GET /reply: 302", "2 x POST /reply: 401", "2 x GET /stream: 200, empty"] {
        assert!(told.iter().any(|told| told == line), "{line} among {told:?}");
    }
    assert_eq!(told.len(), 7, "{told:?}");
    Ok(())
}

#[tokio::test]
async fn grpc_is_what_the_response_says() -> Result<()> {
    let story = Scenario::new("the client's word");
    let http2 = json!({"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }}});
    let mut stage = Stage::start(|plan| plan.cluster = http2, json!({})).await?;
    let grpc = "application/grpc";
    story.when("clients say gRPC and get a plain answer, one says nothing and gets gRPC, others say it and get it");
    for user in ["ann", "bob", "cid"] {
        let reply = stage.ask(Wire::Http2, user, Method::POST, "/reply?status=200&size=3").header("content-type", grpc).send().await?;
        assert_eq!((reply.status, reply.header("content-type").as_deref()), (200, Some("text/plain")));
    }
    let says = "/reply?status=200&size=3&header=content-type:application/grpc&header=grpc-status:13";
    stage.ask(Wire::Http2, "dan", Method::GET, says).send().await?;
    for (user, status) in [("eve", 0), ("fay", 5), ("gus", 13)] {
        let path = format!("/shop.Checkout/Status{status}");
        stage.ask(Wire::Http2, user, Method::POST, &path).header("content-type", grpc).header("te", "trailers").send().await?;
    }
    let epoch = stage.ended().await?;
    story.then(format!("{:?}", told(&epoch)));
    assert_eq!(epoch.failed, slots(&["dan", "gus"]));
    assert_eq!(classes(&epoch), BTreeMap::from([(ResponseClass::RejectedGrpc, slots(&["fay"]))]));
    let counters = &epoch.versions[&v2()];
    assert_eq!((counters.succeeded, counters.failed), (5, 2));
    for line in ["1 x GET /reply: gRPC 13", "1 x POST /shop.Checkout/Status13: gRPC 13", "1 x POST /shop.Checkout/Status5: gRPC 5"] {
        assert!(told(&epoch).iter().any(|told| told == line), "{line} among {:?}", told(&epoch));
    }
    Ok(())
}

#[tokio::test]
async fn what_hangs_is_seen_while_it_hangs() -> Result<()> {
    let story = Scenario::new("a version that does not answer");
    let mut stage = Stage::start(|_| {}, json!({"hangAfterMs": 1_000})).await?;
    stage.ask(Wire::Http1, "quick", Method::GET, "/").send().await?;
    let stream = stage.ask(Wire::Http1, "stream", Method::GET, "/stream?chunks=400&ms=50").start().await?;
    story.when("it stops answering");
    stage.shop.fault(Fault { hang_percent: 100.0, ..Fault::default() });
    let ask = |stage: &mut Stage, wire, user, path| tokio::spawn(stage.ask(wire, user, Method::GET, path).send());
    let gives_up = ask(&mut stage, Wire::Http1, "ann", "/orders/4711?token=secret");
    let waits = ask(&mut stage, Wire::Http2, "bob", "/orders/4712");
    let epoch = stage.until("both hang", |epoch| hanging(epoch) == 2).await?;
    assert!(!gives_up.is_finished() && !waits.is_finished(), "they are in flight");
    let at_rest = |epoch: &EpochReport| epoch.hanging.clone().map(|hanging| hanging.slots);
    assert_eq!(at_rest(&epoch), Some(slots(&["ann", "bob"])), "not the stream, which has had its headers");
    assert_eq!(epoch.abandoned, Slots::new());
    assert_eq!(told(&epoch), ["2 x GET /orders/*: hanging"]);
    story.when("one client gives up");
    gives_up.abort();
    let epoch = stage.until("one hangs", |epoch| hanging(epoch) == 1).await?;
    assert_eq!(epoch.abandoned, slots(&["ann"]));
    story.when("a client leaves within an answer, and the version breaks the other's connection");
    drop(stream);
    stage.shop.stop().await;
    assert_eq!(waits.await??.status, 503);
    let epoch = stage.ended().await?;
    story.then(format!("{:?}", told(&epoch)));
    assert_eq!((hanging(&epoch), at_rest(&epoch)), (0, Some(slots(&["ann", "bob"]))), "none hangs, where one did is kept");
    let Counters { abandoned, succeeded, failed, cancelled, .. } = epoch.versions[&v2()];
    assert_eq!((abandoned, succeeded, failed, cancelled), (1, 1, 1, 1), "{epoch:?}");
    assert_eq!(epoch.abandoned, slots(&["ann"]));
    Ok(())
}

#[tokio::test]
async fn what_is_no_versions_is_counted_against_none() -> Result<()> {
    let story = Scenario::new("CONNECT, no route, a broken request");
    let route = json!({"match": {"prefix": "/known"}, "route": {"cluster": format!("shunt/{SERVICE}/v2")}});
    let hosts = json!([{"name": "all", "domains": ["*"], "routes": [route]}]);
    let mut stage = Stage::start(|plan| plan.manager = json!({"route_config": {"virtual_hosts": hosts}}), json!({})).await?;
    let reply = stage.ask(Wire::Http1, "ann", Method::GET, "/unknown").send().await?;
    assert_eq!(reply.status, 404);
    let grpc = stage.ask(Wire::Http2, "bob", Method::POST, "/unknown").header("content-type", "application/grpc").send().await?;
    assert_eq!(grpc.header("grpc-status").as_deref(), Some("12"), "{grpc:?}");
    stage.asked += 3;
    let connect = raw(stage.rig.address, "CONNECT shop.test:443 HTTP/1.1\r\nhost: shop.test:443\r\nconnection: close\r\n\r\n").await?;
    assert!(connect.starts_with("HTTP/1.1 404"), "{connect}");
    for (user, path) in [("cid", "/known"), ("dan", "/unknown")] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: shop.test\r\ncookie: shunt-id={user}\r\ntransfer-encoding: chunked\r\n\r\n");
        raw(stage.rig.address, &format!("{head}5\r\nhello\r\nno size\r\n")).await?;
    }
    story.then("they have ended, and that is all");
    let epoch = stage.ended().await?;
    let Counters { started, uncounted, .. } = epoch.versions[&v2()];
    assert_eq!((started, uncounted), (4, 4), "{epoch:?}; CONNECT has no key");
    let nothing = EpochReport { epoch: 3, versions: epoch.versions.clone(), ..EpochReport::default() };
    assert_eq!(epoch, nothing);
    assert_eq!(sum(&stage.receiver, |part| part.misrouted + part.unrouted), 0);
    assert_eq!(stage.ask(Wire::Http1, "eve", Method::GET, "/known").send().await?.status, 200);
    assert_eq!(stage.ended().await?.versions[&v2()].succeeded, 1);
    Ok(())
}
