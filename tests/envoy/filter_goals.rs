//! What users reach and how long they wait, by the cells and slots that reports carry, in a real Envoy.

use anyhow::Result;
use hyper::Method;
use serde_json::{Value, json};
use shunt_core::delivery::Reports;
use shunt_filter_core::report::{Cells, EpochReport, Slots};
use shunt_filter_core::split;
use shunt_spec::time::Time;
use shunt_testbed::websocket::WebSocket;
use shunt_testbed::{LocalShop, Receiver, Scenario};

use crate::filter_rig::{Plan, Rig, SERVICE, live, merge, policy, settled};

/// An Envoy with both versions, deciding by this service.
struct Stage {
    rig: Rig,
    receiver: Receiver,
    _shops: [LocalShop; 2],
    asked: u64,
}

impl Stage {
    async fn start(service: Value) -> Result<Self> {
        let shops = [LocalShop::start("v1").await?, LocalShop::start("v2").await?];
        let receiver = Receiver::start().await?;
        let mut plan = Plan::new(&[("v1", shops[0].address()), ("v2", shops[1].address())])?;
        plan.receiver = Some(receiver.address());
        let mut rig = Rig::start(plan).await?;
        let mut whole = json!({"analysis": true, "epoch": 3, "split": {"salt": "s", "weights": {"v2": 50}}});
        merge(&mut whole, service);
        let generation = rig.push(&policy(Some(receiver.address()), whole)).await?;
        live(&receiver, generation).await?;
        Ok(Self { rig, receiver, _shops: shops, asked: 0 })
    }

    async fn ask(&mut self, user: &str, path: &str, headers: &[(&str, &str)]) -> Result<()> {
        let ask = self.rig.client().request(Method::GET, path).header("cookie", format!("shunt-id={user}"));
        headers.iter().fold(ask, |ask, (name, value)| ask.header(name, *value)).send().await?;
        self.asked += 1;
        Ok(())
    }

    /// What the control plane knows of the epoch once all requests have ended, from the reports in the order they came.
    async fn epoch(&self) -> Result<EpochReport> {
        settled(&self.receiver, self.asked).await?;
        let mut reports = Reports::default();
        for (number, report) in self.receiver.reports().into_iter().enumerate() {
            reports.take(report, Time(u64::try_from(number)?));
        }
        Ok(reports.epoch(&SERVICE.parse()?, 3))
    }
}

fn point(user: &str, salt: &str) -> u32 {
    split::point(split::hash(user.as_bytes(), split::seed(salt)))
}

fn cells(users: &[&str]) -> Cells {
    users.iter().map(|user| split::cell(point(user, "s"))).collect()
}

fn slots(users: &[&str]) -> Slots {
    users.iter().map(|user| split::slot(point(user, "s"))).collect()
}

#[tokio::test]
async fn goals_are_counted_per_user() -> Result<()> {
    let story = Scenario::new("goals");
    let by_rule = json!({"name": "staff", "match": [{"headers": {"x-staff": {"present": true}}}], "split": {"weights": {"v2": 100}}});
    let goals = json!([
        {"name": "paid", "match": [{"path": {"exact": "/reply"}, "query": {"do": {"exact": "pay"}}}], "status": [200, 299], "responseHeader": ["X-Paid", "yes"]},
        {"name": "looked", "match": [{"path": {"prefix": "/items"}}, {"headers": {"x-look": {"present": true}}}]},
        {"name": "broken", "status": [500, 599]},
    ]);
    let mut stage = Stage::start(json!({"goals": goals, "rules": [by_rule]})).await?;
    story.when("users come, look and pay, some of them in vain");
    stage.ask("ann", "/", &[]).await?;
    stage.ask("ann", "/reply?do=pay&status=201&header=x-paid:yes", &[]).await?;
    stage.ask("ann", "/reply?do=pay&status=201&header=x-paid:yes", &[]).await?;
    stage.ask("bob", "/reply?do=pay&status=402&header=x-paid:yes", &[]).await?;
    stage.ask("cid", "/reply?do=pay&status=200&header=x-paid:no", &[]).await?;
    stage.ask("dan", "/reply?do=browse&status=200&header=x-paid:yes", &[]).await?;
    stage.ask("eve", "/items/1", &[]).await?;
    stage.ask("fay", "/", &[("x-look", "")]).await?;
    stage.ask("gus", "/reply?status=503", &[]).await?;
    stage.ask("hal", "/reply?do=pay&status=200&header=x-paid:yes", &[("x-staff", "1")]).await?;
    stage.ask("", "/items/2", &[]).await?;
    let epoch = stage.epoch().await?;
    story.then("a user counts once, in the epoch's cells; one of a rule, or without a key, not at all");
    assert_eq!(epoch.goals.get("paid"), Some(&cells(&["ann"])));
    assert_eq!(epoch.goals.get("looked"), Some(&cells(&["eve", "fay"])));
    assert_eq!(epoch.goals.get("broken"), Some(&cells(&["gus"])));
    assert_eq!(epoch.cells, Some(cells(&["ann", "bob", "cid", "dan", "eve", "fay", "gus"])));
    assert_eq!(epoch.latency, None, "the policy does not say what is slow");
    Ok(())
}

#[tokio::test]
async fn a_cohort_is_counted_by_its_rule() -> Result<()> {
    let story = Scenario::new("an A/B test within a cohort");
    let half = json!([{"from": 0, "to": 500_000, "version": "v2"}]);
    let cohort = json!({"name": "cohort", "match": [{"headers": {"x-in": {"present": true}}}], "split": {"salt": "t", "ranges": half}});
    let after = json!({"name": "after", "match": [{"headers": {"x-after": {"present": true}}}], "split": {"weights": {"v1": 100}}});
    let service = json!({"rules": [cohort, after], "countedRule": "cohort", "goals": [{"name": "any"}], "split": {"weights": {"v2": 0}}});
    let mut stage = Stage::start(service).await?;
    let users: Vec<String> = (0..30).map(|number| format!("user-{number}")).collect();
    for user in &users {
        stage.ask(user, "/", &[("x-in", "1")]).await?;
    }
    stage.ask("outside", "/", &[]).await?;
    let control = users.iter().find(|user| point(user, "t") >= 500_000).map_or("", String::as_str);
    stage.ask(control, "/", &[("x-in", "1"), ("x-after", "1")]).await?;
    let epoch = stage.epoch().await?;
    story.then("those that the rule assigns and those that it leaves to stable are its arms, no other users");
    let of = |user: &String| split::cell(point(user, "t"));
    assert_eq!(epoch.cells, Some(users.iter().map(of).collect()));
    let test = u64::try_from(users.iter().filter(|user| point(user, "t") < 500_000).count())?;
    let ended: Vec<(String, u64)> = epoch.versions.iter().map(|(version, counters)| (version.to_string(), counters.ended())).collect();
    assert_eq!(ended, [("v1".to_owned(), 30 - test), ("v2".to_owned(), test)]);
    Ok(())
}

#[tokio::test]
async fn slots_by_latency() -> Result<()> {
    let story = Scenario::new("slots by latency");
    let by_rule = json!({"name": "staff", "match": [{"headers": {"x-staff": {"present": true}}}], "split": {"weights": {"v2": 100}}});
    // Far apart, so that a busy machine makes no user slow by chance.
    let thresholds = json!({"p50Us": 1_500_000, "p90Us": 3_000_000, "p99Us": 5_000_000});
    let mut stage =
        Stage::start(json!({"latency": {"version": "v1", "thresholds": thresholds, "others": thresholds}, "rules": [by_rule]})).await?;
    story.when("users ask for the first time, then again the other way round");
    stage.ask("quick", "/", &[]).await?;
    stage.ask("slow", "/slow?ms=2000", &[]).await?;
    stage.ask("staff", "/slow?ms=2000", &[("x-staff", "1")]).await?;
    let first = stage.epoch().await?;
    stage.ask("quick", "/slow?ms=5200", &[]).await?;
    stage.ask("slow", "/slow?ms=3500", &[]).await?;
    stage.ask("late", "/stream?chunks=4&ms=800", &[]).await?;
    let mut socket = WebSocket::open(stage.rig.address, "shop.test", "/ws", &[("cookie", "shunt-id=socket")]).await?;
    stage.asked += 1;
    socket.echo("hello").await?;
    socket.close().await?;
    let epoch = stage.epoch().await?;
    story.then("a slot's first request counts for p50, whichever VM took the later ones; any for p90 and p99");
    assert_eq!(first.latency.map(|slots| (slots.seen, slots.first_slow)), Some((slots(&["quick", "slow"]), slots(&["slow"]))));
    let latency = epoch.latency.unwrap_or_default();
    assert_eq!(latency.seen, slots(&["quick", "slow", "late"]), "the time to response headers; a WebSocket has none");
    assert_eq!(latency.first_slow, slots(&["slow"]));
    assert_eq!(latency.above_p90, slots(&["quick", "slow"]));
    assert_eq!(latency.above_p99, slots(&["quick"]));
    assert_eq!(epoch.seen, slots(&["quick", "slow", "late", "socket"]));
    assert_eq!((epoch.goals.len(), epoch.cells), (0, None), "the policy asks for no goals");
    Ok(())
}

#[tokio::test]
async fn a_version_may_be_slower_by_what_its_thresholds_say() -> Result<()> {
    let level = |us: u32| json!({"p50Us": us, "p90Us": us, "p99Us": us});
    let mut stage = Stage::start(json!({"latency": {"version": "v1", "thresholds": level(300_000), "others": level(60_000_000)}})).await?;
    let users: Vec<String> = (0..8).map(|number| format!("user-{number}")).collect();
    for user in &users {
        stage.ask(user, "/slow?ms=400", &[]).await?;
    }
    let latency = stage.epoch().await?.latency.unwrap_or_default();
    let of = |user: &&str| point(user, "s") >= 500_000;
    let (all, of_v1): (Vec<&str>, Vec<&str>) =
        (users.iter().map(String::as_str).collect(), users.iter().map(String::as_str).filter(of).collect());
    assert!(!of_v1.is_empty() && of_v1.len() < all.len(), "users of both");
    assert_eq!(latency.seen, slots(&all));
    assert_eq!((&latency.first_slow, &latency.above_p90, &latency.above_p99), (&slots(&of_v1), &slots(&of_v1), &slots(&of_v1)));
    Ok(())
}

#[tokio::test]
async fn what_is_tolerated_counts_as_failures_of_stable_in_its_slots() -> Result<()> {
    let mut stage = Stage::start(json!({"tolerance": {"version": "v1", "share": 100}})).await?;
    for number in 0..30 {
        stage.ask(&format!("user-{number}"), "/", &[]).await?;
    }
    let epoch = stage.epoch().await?;
    let ended =
        |version: &str| epoch.versions.iter().find(|(name, _)| name.as_str() == version).map_or(0, |(_, counters)| counters.ended());
    let failed = u64::try_from(epoch.failed.len())?;
    assert!(ended("v1") > 0 && ended("v2") > 0, "{:?}", epoch.versions);
    assert_eq!((failed, u64::try_from(epoch.seen.len())?), (ended("v1"), 30), "all of stable's users, none of the candidate's");
    assert!(epoch.versions.values().all(|counters| counters.failed == 0), "counters are for people: {:?}", epoch.versions);
    Ok(())
}
