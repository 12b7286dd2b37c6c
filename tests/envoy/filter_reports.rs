//! The reports: exact across pushes and a dead receiver, soon after a push, complete when a VM ends.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shunt_filter_core::metric::{Kind, Label, Metric};
use shunt_filter_core::report::Counters;
use shunt_testbed::until::{until, until_some};
use shunt_testbed::websocket::WebSocket;
use shunt_testbed::{Fault, Load, LocalShop, Receiver, Scenario};

use crate::filter_rig::{Plan, Rig, SERVICE, SOON, WORKERS, counted, live, merge, parts, policy, settled, sum, total, version};

fn split(points: u32) -> Value {
    json!({"salt": "s", "ranges": [{"from": 0, "to": points, "version": "v2"}]})
}

/// Started, failed, succeeded: what the shop and the filter must agree on.
fn told(counters: &Counters) -> [u64; 3] {
    [counters.started, counters.failed, counters.succeeded]
}

fn answered(shop: &LocalShop) -> [u64; 3] {
    let counts = shop.counts();
    let failed: u64 = counts.status.iter().filter(|(status, _)| **status >= 500).map(|(_, count)| count).sum();
    [counts.total, failed, counts.total - failed]
}

#[tokio::test]
async fn exact_across_pushes_a_dead_receiver_and_an_open_websocket() -> Result<()> {
    let story = Scenario::new("nothing lost, nothing counted twice");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    v2.fault(Fault::errors(5.0));
    let receiver = Receiver::start().await?;
    let mut plan = Plan::new(&[("v1", v1.address()), ("v2", v2.address())])?;
    plan.receiver = Some(receiver.address());
    let mut rig = Rig::start(plan).await?;
    let generation = rig.push(&policy(Some(receiver.address()), json!({"split": split(300_000)}))).await?;
    live(&receiver, generation).await?;

    story.when("600 requests per second meet a push every few milliseconds, and WebSockets stay open");
    let load = Load::new(rig.address).users(500).rate(600.0).start();
    let mut sockets = Vec::new();
    let (mut receiver, address) = (Some(receiver), rig.address);
    for round in 0..30_u32 {
        if round % 10 == 0 {
            sockets.push(WebSocket::open(address, "shop.test", "/ws", &[("cookie", &format!("shunt-id=ws{round}"))]).await?);
        }
        if round == 10 {
            story.when("the receiver dies");
            receiver = None;
        }
        if round == 20 {
            story.when("another one comes up in its place");
            receiver = Some(Receiver::start_at(rig.reports_to().context("an address")?).await?);
        }
        rig.push(&policy(rig.reports_to(), json!({"split": split(300_000 + round)}))).await?;
    }
    let tally = load.stop().await;
    let receiver = receiver.context("the second receiver")?;
    story.then(format!("the client saw: {}", tally.summary()));
    assert_eq!(tally.statuses().keys().copied().collect::<Vec<_>>(), [200, 500], "{}", tally.summary());
    let sent = u64::try_from(tally.requests() + sockets.len())?;
    let open = u64::try_from(sockets.len())?;
    until(&format!("all but {open} have ended"), SOON, || async {
        let all = total(&receiver);
        (all.started, all.ended()) == (sent, sent - open)
    })
    .await
    .with_context(|| format!("sent {sent}: {:?}", total(&receiver)))?;
    story.then("the WebSockets are what still runs; they end once");
    for mut socket in sockets {
        socket.echo("still there").await?;
        socket.close().await?;
    }
    settled(&receiver, sent).await?;
    assert_eq!(told(&counted(&receiver, "v1")), answered(&v1));
    assert_eq!(told(&counted(&receiver, "v2")), answered(&v2));
    assert_eq!(u64::try_from(tally.statuses()[&500])?, counted(&receiver, "v2").failed);
    assert_eq!(sum(&receiver, |part| part.misrouted + part.unrouted + part.keyless), 0);
    assert_eq!(receiver.refused(), Vec::<String>::new());

    story.then("Envoy's own stats say the same");
    let failed = counted(&receiver, "v2").failed;
    let labels = [(Label::Service, SERVICE), (Label::Version, "v2"), (Label::Class, "failed")];
    let metric = Metric { kind: Kind::Ended, labels: labels.map(|(label, value)| (label, value.to_owned())).to_vec() };
    let stat = format!("wasmcustom.{metric}");
    until("the stat is up to date", SOON, || async { rig.envoy.stat(&stat).await.ok() == Some(failed) }).await?;
    let prometheus = rig.envoy.get("/stats/prometheus").await?.text();
    let told = prometheus.lines().filter(|line| line.starts_with(Kind::Ended.name()) && line.ends_with(&format!(" {failed}")));
    let whole = |line: &str| labels.iter().all(|(label, value)| line.contains(&format!("{}=\"{value}\"", label.name())));
    assert_eq!(told.filter(|line| whole(line)).count(), 1, "{prometheus}");
    Ok(())
}

#[tokio::test]
async fn every_vm_says_soon_what_it_runs() -> Result<()> {
    let story = Scenario::new("a new generation");
    let v1 = LocalShop::start("v1").await?;
    let receiver = Receiver::start().await?;
    let mut plan = Plan::new(&[("v1", v1.address())])?;
    plan.receiver = Some(receiver.address());
    let mut rig = Rig::start(plan).await?;
    let at = Some(receiver.address());
    let first = rig.push(&policy(at, json!({}))).await?;
    live(&receiver, first).await?;
    let vms: Vec<String> = receiver.latest().into_keys().collect();
    assert_eq!(vms.len(), usize::try_from(WORKERS)? + 1, "each worker's, and the main thread's");

    story.when("pushes come whose interval is longer than this test waits");
    let mut times = Vec::new();
    for round in 0..10_u32 {
        let mut next = policy(at, json!({"split": split(round + 1)}));
        if let Some(report) = &mut next.report {
            report.interval_ms = 60_000;
        }
        let start = Instant::now();
        let generation = rig.push(&next).await?;
        live(&receiver, generation).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    story.then(format!("all VMs told each generation within {times:?}"));
    assert!(times.iter().take(5).all(|time| *time < Duration::from_millis(400)), "half of them soon, on however busy a machine: {times:?}");
    assert_eq!(receiver.latest().into_keys().collect::<Vec<_>>(), vms, "a push keeps the VMs");
    for report in receiver.latest().values() {
        assert_eq!((report.node.as_str(), report.last), ("rig", false));
    }

    story.then("nothing happens, so only heartbeats come");
    let generation = rig.push(&policy(at, json!({}))).await?;
    live(&receiver, generation).await?;
    let before = receiver.reports().len();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let beats = receiver.reports().len() - before;
    assert!((3..=9).contains(&beats), "{beats} posts of 3 VMs in 1.1 s at a heartbeat of 0.5 s");
    Ok(())
}

#[tokio::test]
async fn the_last_word_is_complete() -> Result<()> {
    let story = Scenario::new("Envoy stops");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let receiver = Receiver::start().await?;
    let mut plan = Plan::new(&[("v1", v1.address()), ("v2", v2.address())])?;
    plan.receiver = Some(receiver.address());
    let mut rig = Rig::start(plan).await?;
    let mut slow = policy(Some(receiver.address()), json!({"split": split(500_000)}));
    if let Some(report) = &mut slow.report {
        report.interval_ms = 60_000;
        report.heartbeat_ms = 60_000;
    }
    let generation = rig.push(&slow).await?;
    live(&receiver, generation).await?;
    story.given("posts every minute only");
    let tally = Load::new(rig.address).users(100).rate(500.0).run(300).await;
    assert_eq!(tally.failed(), 0, "{}", tally.summary());
    story.when("Envoy gets SIGTERM");
    rig.envoy.stop().await?;
    story.then("each VM has said good-bye with everything it counted");
    let bye = || async { receiver.latest().values().all(|report| report.last) };
    until("every VM has said good-bye", SOON, bye).await.with_context(|| format!("{:?}", receiver.latest()))?;
    assert_eq!(total(&receiver).succeeded, u64::try_from(tally.requests())?);
    assert_eq!((counted(&receiver, "v1").started, counted(&receiver, "v2").started), (v1.counts().total, v2.counts().total));
    Ok(())
}

#[tokio::test]
async fn an_epoch_counts_what_was_decided_under_it() -> Result<()> {
    let story = Scenario::new("epochs");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let receiver = Receiver::start().await?;
    let mut plan = Plan::new(&[("v1", v1.address()), ("v2", v2.address())])?;
    plan.receiver = Some(receiver.address());
    let mut rig = Rig::start(plan).await?;
    let at = Some(receiver.address());
    let analysed = |epoch: u64| {
        let mut service = json!({"split": split(500_000), "analysis": true, "epoch": epoch});
        merge(
            &mut service,
            json!({"rules": [{"name": "testers", "match": [{"headers": {"x-tester": {"present": true}}}], "split": split(1_000_000)}]}),
        );
        policy(at, service)
    };
    let generation = rig.push(&analysed(1)).await?;
    live(&receiver, generation).await?;
    let client = rig.client();
    story.given("a slow request decided under epoch 1");
    let slow = tokio::spawn(client.request(hyper::Method::GET, "/slow?ms=1500").header("cookie", "shunt-id=slow").send());
    until("it is at its upstream", SOON, || async { v1.counts().open + v2.counts().open == 1 }).await?;
    story.when("epoch 2 begins, and others come: by the split, by a rule, without a key");
    let generation = rig.push(&analysed(2)).await?;
    live(&receiver, generation).await?;
    for user in 0..40 {
        client.request(hyper::Method::GET, "/").header("cookie", format!("shunt-id=u{user}")).send().await?;
    }
    client.request(hyper::Method::GET, "/").header("cookie", "shunt-id=t").header("x-tester", "1").send().await?;
    client.get("/").await?;
    slow.await??;
    settled(&receiver, 43).await?;
    story.then("epoch 2 has only those of the split, and a slot for each user");
    let parts = parts(&receiver);
    let epochs: Vec<_> = parts.iter().filter_map(|part| part.epoch.as_ref()).collect();
    assert!(!epochs.is_empty() && epochs.iter().all(|epoch| epoch.epoch == 2), "{epochs:?}");
    let started: u64 = epochs.iter().flat_map(|epoch| epoch.versions.values()).map(|counters| counters.started).sum();
    let mut seen = std::collections::BTreeSet::new();
    for epoch in &epochs {
        seen.extend(epoch.seen.iter());
        assert_eq!(epoch.failed.iter().count(), 0);
    }
    assert_eq!((started, sum(&receiver, |part| part.keyless)), (40, 1));
    assert!(seen.len() > 30, "40 users fall on {} slots", seen.len());
    assert_eq!(sum(&receiver, |part| part.rules.get("testers").copied().unwrap_or(0)), 1);
    Ok(())
}

#[tokio::test]
async fn a_service_that_left_is_named_until_its_requests_have_ended() -> Result<()> {
    let story = Scenario::new("leaving the policy");
    let v1 = LocalShop::start("v1").await?;
    let receiver = Receiver::start().await?;
    let mut plan = Plan::new(&[("v1", v1.address())])?;
    plan.receiver = Some(receiver.address());
    let mut rig = Rig::start(plan).await?;
    let with = policy(Some(receiver.address()), json!({"versions": [version("v1")]}));
    let mut without = with.clone();
    without.services.clear();
    let generation = rig.push(&with).await?;
    live(&receiver, generation).await?;
    let slow = tokio::spawn(rig.client().request(hyper::Method::GET, "/slow?ms=1200").send());
    until("it is at its upstream", SOON, || async { v1.counts().open == 1 }).await?;
    story.when("the service leaves with a request open");
    let generation = rig.push(&without).await?;
    live(&receiver, generation).await?;
    assert_eq!((total(&receiver).started, total(&receiver).ended()), (1, 0));
    slow.await??;
    story.then("its end is told");
    settled(&receiver, 1).await?;
    rig.client().get("/").await?;
    story.when("it comes back");
    let generation = rig.push(&with).await?;
    live(&receiver, generation).await?;
    rig.client().get("/").await?;
    story.then("it goes on counting where it was");
    until_some("the second request is counted", SOON, || async { (total(&receiver).succeeded >= 1).then_some(()) }).await?;
    let per_vm: u64 = parts(&receiver).iter().flat_map(|part| part.versions.values()).map(|counters| counters.started).sum();
    until(&format!("both are there, {per_vm} so far"), SOON, || async { total(&receiver).started == 2 }).await?;
    Ok(())
}
