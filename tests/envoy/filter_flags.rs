//! Feature flags in a real Envoy: what the service behind reads, what is counted for each value, and how soon a flag is off.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hyper::Method;
use serde_json::{Value, json};
use shunt_filter_core::RoutingPolicy;
use shunt_filter_core::report::{Counters, EpochReport, Slots};
use shunt_filter_core::split;
use shunt_testbed::shop::Seen;
use shunt_testbed::until::until_some;
use shunt_testbed::{Client, Fault, LocalShop, Receiver, Scenario};

use crate::filter_rig::{Plan, Rig, SOON, counted, live, policy, settled, sum};

/// One Envoy, one shop behind all its routes, and where reports go.
struct Stage {
    rig: Rig,
    shop: LocalShop,
    receiver: Receiver,
}

impl Stage {
    async fn start() -> Result<Self> {
        let shop = LocalShop::start("v1").await?;
        let receiver = Receiver::start().await?;
        let mut plan = Plan::new(&[("v1", shop.address())])?;
        plan.receiver = Some(receiver.address());
        Ok(Self { rig: Rig::start(plan).await?, shop, receiver })
    }

    /// All VMs decide these flags at these hosts beside a service at `shop.test`.
    async fn push(&mut self, flags: &[Value]) -> Result<()> {
        let mut policy: RoutingPolicy = policy(Some(self.receiver.address()), json!({"versions": [{"name": "v1"}]}));
        policy.flags = flags.iter().map(|flag| serde_json::from_value(flag.clone())).collect::<Result<_, _>>()?;
        let generation = self.rig.push(&policy).await?;
        live(&self.receiver, generation).await
    }

    fn at(&self, host: &str) -> Client {
        Client::new(self.rig.address).host(host)
    }

    /// What reached the shop of one request.
    async fn ask(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Result<Seen> {
        let ask = headers.iter().fold(self.at(host).request(Method::GET, path), |ask, (name, value)| ask.header(name, *value));
        ask.send().await?;
        self.shop.requests().pop().context("it came")
    }

    /// The counters of each value of a flag, once `ended` requests have ended.
    async fn values(&self, rollout: &str, ended: u64) -> Result<BTreeMap<String, Counters>> {
        let sum = || {
            let mut sum: BTreeMap<String, Counters> = BTreeMap::new();
            for (version, counters) in self.receiver.service(&rollout.parse().ok()?).into_values().flat_map(|part| part.versions) {
                sum.entry(version.to_string()).or_default().add(&counters);
            }
            (sum.values().map(Counters::ended).sum::<u64>() == ended).then_some(sum)
        };
        until_some(&format!("{rollout} has counted {ended} requests"), SOON, || async { sum() }).await
    }

    /// The slots of a flag's epoch, over all VMs.
    fn slots(&self, rollout: &str, of: fn(EpochReport) -> Slots) -> Result<Slots> {
        let mut all = Slots::new();
        for part in self.receiver.service(&rollout.parse()?).into_values() {
            part.epoch.into_iter().for_each(|epoch| all.union_with(&of(epoch)));
        }
        Ok(all)
    }
}

/// A flag that is off by default and for `share` percent of users on.
fn switch(name: &str, hosts: &[&str], share: u32) -> Value {
    json!({
        "name": name, "rollout": format!("shop/{name}"), "hosts": hosts, "epoch": 7, "analysis": true,
        "key": [{"header": "x-user"}], "values": {"off": false, "on": true}, "stable": "off", "default": "off",
        "split": {"salt": format!("shop/{name}/1"), "weights": {"on": share}},
    })
}

#[tokio::test]
async fn many_flags_are_handed_on_in_one_header() -> Result<()> {
    let story = Scenario::new("feature flags");
    let mut stage = Stage::start().await?;
    let text = json!({"name": "greeting", "rollout": "shop/greeting", "hosts": ["shop.test"], "values": {"plain": "", "loud": "say \"hi\" \\o/"},
        "stable": "loud", "default": "plain"});
    let number = json!({"name": "limit", "rollout": "shop/limit", "hosts": ["*.test"], "values": {"low": 10, "high": -20}, "stable": "high", "default": "low",
        "rules": [{"name": "vip", "match": [{"headers": {"x-vip": {"present": true}}}], "split": {"weights": {"low": 100}}}]});
    let everybody: Vec<Value> = (0..40).map(|number| switch(&format!("f{number}"), &["shop.test"], 100 * (number % 2))).collect();
    let flags: Vec<Value> = [text, number].into_iter().chain(everybody).collect();
    stage.push(&flags).await?;

    story.then("a service's requests carry all that differ from their defaults, in order of the policy");
    let odd: String = (0..40).filter(|number| number % 2 == 1).map(|number| format!(", f{number}")).collect();
    let seen = stage.ask("shop.test", "/", &[("x-user", "ann")]).await?;
    assert_eq!(seen.all("x-shunt-flags"), [format!("greeting=\"say \\\"hi\\\" \\\\o/\", limit=-20{odd}")]);
    let seen = stage.ask("shop.test", "/", &[("x-user", "ann"), ("x-vip", "1"), ("x-shunt-flags", "theme=\"red, blue\", limit=3")]).await?;
    assert_eq!(seen.all("x-shunt-flags"), [format!("theme=\"red, blue\", greeting=\"say \\\"hi\\\" \\\\o/\"{odd}")], "others' stay");

    story.then("a host with flags only keeps out of the routes");
    let seen = stage.ask("other.test:8080", "/", &[("x-user", "ann")]).await?;
    assert_eq!((seen.all("x-shunt-flags"), seen.all("x-shunt-route")), (vec!["limit=-20"], vec![]));
    let seen = stage.ask("other.test", "/", &[("x-vip", "1"), ("x-shunt-flags", "limit=3")]).await?;
    assert_eq!(seen.all("x-shunt-flags"), Vec::<&str>::new(), "all at their defaults");

    story.then("each request counts once for each flag, under the flag's own name, and once for the service");
    settled(&stage.receiver, 2).await?;
    let limit = stage.values("shop/limit", 4).await?;
    assert_eq!((limit["high"].succeeded, limit["low"].succeeded), (2, 2));
    assert_eq!(stage.values("shop/f1", 2).await?["on"].started, 2);
    assert_eq!(stage.values("shop/f2", 2).await?["off"].started, 2);
    assert_eq!(counted(&stage.receiver, "v1").started, 2);
    assert_eq!(sum(&stage.receiver, |part| part.misrouted + part.unrouted), 0);
    Ok(())
}

#[tokio::test]
async fn values_are_compared_like_versions() -> Result<()> {
    let story = Scenario::new("a value that makes requests fail");
    let mut stage = Stage::start().await?;
    stage.push(&[switch("half", &["shop.test", "api.test"], 50), switch("zero", &["api.test"], 0)]).await?;
    story.when("users of one host ask, then the same of another where everything fails");
    let users: Vec<String> = (0..60).map(|number| format!("user-{number}")).collect();
    for user in &users {
        stage.ask("shop.test", "/", &[("x-user", user)]).await?;
    }
    stage.shop.fault(Fault::errors(100.0));
    for user in users.iter().take(20) {
        stage.ask("api.test", "/", &[("x-user", user)]).await?;
    }
    stage.ask("api.test", "/", &[]).await?;
    let slot = |user: &String| split::slot(split::point(split::hash(user.as_bytes(), split::seed("shop/half/1"))));
    let on = u64::try_from(users.iter().filter(|user| slot(user) < 5_000).count())?;
    let half = stage.values("shop/half", 81).await?;
    let failed_on = u64::try_from(users.iter().take(20).filter(|user| slot(user) < 5_000).count())?;
    assert_eq!((half["on"].succeeded, half["on"].failed), (on, failed_on));
    assert_eq!((half["off"].succeeded, half["off"].failed), (60 - on, 20 - failed_on + 1), "one had no key");
    assert_eq!(stage.slots("shop/half", |epoch| epoch.seen)?, users.iter().map(slot).collect::<Slots>());
    assert_eq!(stage.slots("shop/half", |epoch| epoch.failed)?, users.iter().take(20).map(slot).collect::<Slots>());
    let parts = stage.receiver.service(&"shop/half".parse()?);
    assert_eq!(parts.values().map(|part| part.keyless).sum::<u64>(), 1);
    assert!(parts.values().all(|part| part.epoch.as_ref().is_none_or(|epoch| epoch.epoch == 7)));
    assert_eq!(stage.values("shop/zero", 21).await?["off"].failed, 21, "a flag of the same host knows what its users met");
    Ok(())
}

#[tokio::test]
async fn a_flag_switched_off_is_off_at_every_worker() -> Result<()> {
    let story = Scenario::new("the kill switch");
    let mut stage = Stage::start().await?;
    stage.push(&[switch("risky", &["shop.test"], 100)]).await?;
    let flags = |seen: &[Seen]| seen.iter().flat_map(|seen| seen.all("x-shunt-flags")).map(str::to_owned).collect::<Vec<_>>();
    // Each over a connection of its own, so that every worker takes some.
    for _ in 0..60 {
        stage.ask("shop.test", "/", &[("x-user", "ann")]).await?;
    }
    assert_eq!(flags(&stage.shop.requests()), vec!["risky"; 60]);
    story.when("it is pushed with no user in it, and every VM has said so");
    stage.push(&[switch("risky", &["shop.test"], 0)]).await?;
    stage.shop.reset_counts();
    for _ in 0..60 {
        stage.ask("shop.test", "/", &[("x-user", "ann")]).await?;
    }
    assert_eq!(flags(&stage.shop.requests()), Vec::<String>::new());
    let values = stage.values("shop/risky", 120).await?;
    assert_eq!((values["on"].ended(), values["off"].ended()), (60, 60));
    let busy = stage.receiver.service(&"shop/risky".parse()?).len();
    assert!(busy >= 2, "only {busy} worker took requests, so this proved nothing");
    Ok(())
}
