//! The table of cases (`filter/core/testdata/cases`) through a real Envoy with the built module, over HTTP/1.1 and HTTP/2: the same
//! decisions and the same headers upstream as natively (`filter/core/tests/cases.rs`), and counted as the native code says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shunt_filter_core::decision::FlagDecision;
use shunt_filter_core::report::ServiceReport;
use shunt_filter_core::{Decision, Reason, RolloutId, RoutingPolicy, compile};
use shunt_testbed::shop::Seen;
use shunt_testbed::until::until_some;
use shunt_testbed::{LocalShop, Receiver, Scenario, Wire};

use crate::filter_rig::{Plan, Rig, SOON, live};

#[path = "../../filter/core/testdata/table.rs"]
mod table;
#[path = "cases_wire.rs"]
mod wire;

use table::{Case, Table, fits};
use wire::Answer;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../filter/core/testdata/cases");
/// Who answers on the default route.
const DEFAULT: &str = "default";
/// Who gets copies.
const COPY: &str = "copy";
/// The versions that the table names.
const VERSIONS: [&str; 3] = ["v1", "v2", "v3"];
/// Where the shops get what is asked for at `/`.
const BELOW: &str = "/table/";
/// The namespace of the rig's proxy.
const NAMESPACE: &str = "shop";
/// Not handed on as they are: ours, cookies (Envoy joins and we add), and what is for one connection only.
const OWN: [&str; 5] = ["x-shunt-route", "x-shunt-flags", "x-shunt-shadow", "cookie", "te"];

/// A running Envoy, a shop per cluster, and where reports go.
struct Stage {
    rig: Rig,
    shops: BTreeMap<&'static str, LocalShop>,
    receiver: Receiver,
}

impl Stage {
    async fn start(tables: &BTreeMap<String, Table>) -> Result<Self> {
        let mut shops = BTreeMap::new();
        for name in [DEFAULT, COPY].into_iter().chain(VERSIONS) {
            shops.insert(name, LocalShop::start(name).await?);
        }
        let receiver = Receiver::start().await?;
        let mut plan = Plan::new(&[])?;
        plan.versions = [DEFAULT, COPY].into_iter().chain(VERSIONS).map(|name| (name, Some(shops[name].address()))).collect();
        plan.unrouted = plan.versions.iter().map(|(name, _)| *name).collect();
        plan.routes = routes(tables);
        // Behind the filter: some paths of the table mean something to the sample shop.
        plan.action = json!({"prefix_rewrite": BELOW});
        plan.receiver = Some(receiver.address());
        Ok(Self { rig: Rig::start(plan).await?, shops, receiver })
    }

    /// Makes the filter decide by this table; returns when every VM does.
    async fn install(&mut self, table: &Table) -> Result<()> {
        let generation = self.rig.push(&installed(&table.policy)).await?;
        live(&self.receiver, generation).await
    }

    /// Sends one request; what came back, and what reached the one shop that answered.
    async fn ask(&self, wire: Wire, case: &Case) -> Result<(Answer, Seen)> {
        let answering = || self.shops.iter().filter(|(name, _)| **name != COPY).map(|(_, shop)| shop);
        answering().for_each(LocalShop::reset_counts);
        let answer = wire::send(self.rig.address, wire, &case.request).await?;
        let mut seen: Vec<Seen> = answering().flat_map(LocalShop::requests).collect();
        anyhow::ensure!(seen.len() == 1, "status {}, {} requests arrived", answer.status, seen.len());
        Ok((answer, seen.remove(0)))
    }

    /// The copy that this request's answer is not waiting for.
    async fn copy(&self, before: u64) -> Result<Seen> {
        let copies = &self.shops[COPY];
        let arrived = || async { (copies.counts().total > before).then(|| copies.requests().pop()).flatten() };
        until_some("the copy arrives", SOON, arrived).await
    }

    /// What all VMs counted for these services.
    fn counted(&self, services: &BTreeSet<RolloutId>) -> BTreeMap<RolloutId, Counted> {
        let of = |id: &RolloutId| {
            let mut sum = Counted::default();
            self.receiver.service(id).values().for_each(|report| sum.add(report));
            (id.clone(), sum)
        };
        services.iter().map(of).collect()
    }
}

/// One route per value of the header that any table can lead to, and copies to the shop for copies.
fn routes(tables: &BTreeMap<String, Table>) -> Vec<Value> {
    let mut routes = Vec::new();
    let services: BTreeSet<String> =
        tables.values().flat_map(|table| &table.policy.services).map(|service| service.name.to_string()).collect();
    for service in services {
        for version in VERSIONS {
            routes.push(route(&format!("{service}/{version}"), version, json!({})));
            for mirror in VERSIONS {
                let marker =
                    json!({"append": {"header": {"key": "x-shunt-shadow", "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}});
                let copies =
                    json!([{"cluster": cluster(COPY), "disable_shadow_host_suffix_append": true, "request_headers_mutations": [marker]}]);
                routes.push(route(&format!("{service}/{version};mirror={mirror}"), version, json!({"request_mirror_policies": copies})));
            }
        }
    }
    routes
}

fn route(value: &str, version: &str, mut action: Value) -> Value {
    action["cluster"] = json!(cluster(version));
    action["prefix_rewrite"] = json!(BELOW);
    let header = json!({"name": "x-shunt-route", "string_match": {"exact": value}});
    json!({"name": format!("shunt-{value}"), "match": {"prefix": "/", "headers": [header]}, "route": action})
}

fn cluster(name: &str) -> String {
    format!("shunt/shop/checkout/{name}")
}

/// The policy with what only matters in Envoy: who answers for which version, and where reports go.
fn installed(policy: &RoutingPolicy) -> RoutingPolicy {
    let mut policy = policy.clone();
    let report = json!({"cluster": "shunt-api", "authority": "shunt-api", "intervalMs": 50, "heartbeatMs": 500});
    policy.report = serde_json::from_value(report).expect("where reports go");
    for service in &mut policy.services {
        for version in &mut service.versions {
            version.clusters = vec![cluster(version.name.as_str())];
            if service.default_route.as_ref().unwrap_or(&service.stable) == &version.name {
                version.clusters.push(cluster(DEFAULT));
            }
        }
    }
    policy
}

/// What of a service's report follows from decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counted {
    keyless: u64,
    not_serving: u64,
    /// Another version than was decided answered, or no version.
    astray: u64,
    /// `v1 started`, `v1 ended`, `rule beta`, `mirror v2`.
    by_name: BTreeMap<String, u64>,
}

impl Counted {
    fn one(&mut self, name: String, by: u64) {
        if by > 0 {
            *self.by_name.entry(name).or_default() += by;
        }
    }

    /// What the filter should count for a request that was decided so and has been answered.
    fn decided(&mut self, decision: &Decision<'_>) {
        if decision.reason == Reason::Shadow {
            return;
        }
        self.keyless += u64::from(decision.keyless);
        self.not_serving += u64::from(matches!(decision.reason, Reason::NotServing { .. }));
        self.one(format!("{} started", decision.version), 1);
        self.one(format!("{} ended", decision.version), 1);
        decision.reason.rule().into_iter().for_each(|rule| self.one(format!("rule {rule}"), 1));
        decision.mirror.iter().for_each(|mirror| self.one(format!("mirror {mirror}"), 1));
    }

    /// The same for the Rollout of a flag, whose versions are values.
    fn decided_flag(&mut self, flag: &FlagDecision<'_>) {
        self.keyless += u64::from(flag.keyless);
        self.one(format!("{} started", flag.version), 1);
        self.one(format!("{} ended", flag.version), 1);
        flag.reason.rule().into_iter().for_each(|rule| self.one(format!("rule {rule}"), 1));
    }

    fn add(&mut self, report: &ServiceReport) {
        self.keyless += report.keyless;
        self.not_serving += report.not_serving;
        self.astray += report.misrouted + report.unrouted;
        for (version, counters) in &report.versions {
            self.one(format!("{version} started"), counters.started);
            self.one(format!("{version} ended"), counters.ended());
        }
        report.rules.iter().for_each(|(rule, count)| self.one(format!("rule {rule}"), *count));
        report.mirrored.iter().for_each(|(mirror, count)| self.one(format!("mirror {mirror}"), *count));
    }

    /// What was counted since; counters only grow, but those of versions that left the policy may be gone.
    fn since(&self, before: &Self) -> Self {
        let old = |name: &String| before.by_name.get(name).copied().unwrap_or_default();
        let grown = self.by_name.iter().map(|(name, count)| (name.clone(), count.saturating_sub(old(name))));
        Self {
            keyless: self.keyless - before.keyless,
            not_serving: self.not_serving - before.not_serving,
            astray: self.astray - before.astray,
            by_name: grown.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// What differs from the table, in its words.
fn differences(case: &Case, answer: &Answer, seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, expected: Option<&str>, found: Option<String>| {
        let same = match (expected, &found) {
            (Some(pattern), Some(text)) => fits(pattern, text),
            (expected, found) => expected.is_none() && found.is_none(),
        };
        if !same {
            wrong.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    };
    let joined = |name: &str, by: &str| Some(seen.all(name).join(by)).filter(|_| seen.header(name).is_some());
    let upstream = &case.expect.upstream;
    let by_route = upstream.route.as_deref().and_then(|route| route.split(';').next()?.rsplit('/').next());
    check("status", Some("200"), Some(answer.status.to_string()));
    check("answered by", Some(by_route.unwrap_or(DEFAULT)), answer.header("x-version"));
    check("route", upstream.route.as_deref(), joined("x-shunt-route", ", "));
    check("flags", upstream.flags.as_deref(), joined("x-shunt-flags", ", "));
    check("set-cookie", case.expect.set_cookie.as_deref(), answer.header("set-cookie"));
    if let Some(cookie) = &upstream.cookie {
        check("cookie", Some(cookie), joined("cookie", "; "));
    }
    for (name, lines) in sent(case) {
        if seen.all(&name) != lines {
            wrong.push(format!("{name}: expected {lines:?}, found {:?}", seen.all(&name)));
        }
    }
    wrong
}

/// Headers that go on as they came, by name; what is not UTF-8 in hex.
fn sent(case: &Case) -> BTreeMap<String, Vec<String>> {
    let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in case.request.lines() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let text = String::from_utf8(value).unwrap_or_else(|error| hex(error.as_bytes()));
        sent.entry(name.to_lowercase()).or_default().push(text);
    }
    sent.retain(|name, _| !OWN.contains(&name.as_str()));
    sent
}

/// Runs one table; how many requests it took, and what differs.
async fn run(stage: &mut Stage, table: &Table) -> Result<(usize, Vec<String>)> {
    assert!(table.namespace.as_deref().is_none_or(|namespace| namespace == NAMESPACE), "the rig's proxy is in {NAMESPACE}");
    let router = compile(installed(&table.policy), Some(NAMESPACE)).context("the table's policy")?;
    let of_services = table.policy.services.iter().map(|service| service.name.clone());
    let services: BTreeSet<RolloutId> = of_services.chain(table.policy.flags.iter().map(|flag| flag.rollout.clone())).collect();
    stage.install(table).await?;
    let before = stage.counted(&services);
    let mut expected: BTreeMap<RolloutId, Counted> = services.iter().map(|id| (id.clone(), Counted::default())).collect();
    let (mut asked, mut copies, mut wrong) = (0, stage.shops[COPY].counts().total, Vec::new());
    for (wire, case) in [Wire::Http1, Wire::Http2].into_iter().flat_map(|wire| table.cases.iter().map(move |case| (wire, case))) {
        if !wire::fits(wire, &case.request) {
            continue;
        }
        asked += 1;
        let at = format!("{} over {wire:?}", case.name);
        let (answer, seen) = match stage.ask(wire, case).await {
            Ok(both) => both,
            Err(error) => {
                wrong.push(format!("{at}: {error:#}"));
                continue;
            }
        };
        wrong.extend(differences(case, &answer, &seen).into_iter().map(|difference| format!("{at}: {difference}")));
        if let Some(site) = router.site(&case.request.authority) {
            let decisions = site.decide(&case.request.to_request());
            if let (Some(service), Some(decision)) = (site.service(), &decisions.service) {
                expected.entry(service.name().clone()).or_default().decided(decision);
            }
            for (flag, decision) in site.flags().zip(&decisions.flags) {
                expected.entry(flag.rollout().clone()).or_default().decided_flag(decision);
            }
        }
        if case.expect.mirror.is_some() {
            let copy = stage.copy(copies).await.with_context(|| at.clone())?;
            copies += 1;
            if copy.all("x-shunt-shadow") != ["1"] || copy.all("x-shunt-route") != seen.all("x-shunt-route") || copy.path != seen.path {
                wrong.push(format!("{at}: the copy is {copy:?}"));
            }
        }
    }
    let counted =
        || stage.counted(&services).into_iter().map(|(id, now)| (id.clone(), now.since(&before[&id]))).collect::<BTreeMap<_, _>>();
    let reported = || async { (counted() == expected).then_some(()) };
    if until_some("the filter has counted all", SOON, reported).await.is_err() {
        wrong.push(format!("counted: expected {expected:#?}, found {:#?}", counted()));
    }
    if stage.shops[COPY].counts().total != copies {
        wrong.push(format!("{} copies arrived, {copies} were expected", stage.shops[COPY].counts().total));
    }
    Ok((asked, wrong))
}

#[tokio::test]
async fn every_case_of_the_table_is_the_same_in_envoy() -> Result<()> {
    let story = Scenario::new("the table of cases through Envoy");
    let tables = table::load(Path::new(FOLDER));
    let mut stage = Stage::start(&tables).await?;
    let (mut asked, mut wrong) = (0, Vec::new());
    for (file, table) in &tables {
        story.when(format!("{file}: {}", table.about));
        let (more, differences) = run(&mut stage, table).await.with_context(|| file.clone())?;
        asked += more;
        wrong.extend(differences.into_iter().map(|difference| format!("{file}: {difference}")));
    }
    story.then(format!("{asked} requests were decided as the table says"));
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    let cases: usize = tables.values().map(|table| table.cases.len()).sum();
    assert!(cases >= 80 && asked >= 2 * cases - 10, "{asked} requests for {cases} cases");
    Ok(())
}
