//! The filter in a real Envoy without the control plane: routes of its own, the policy from a file by ECDS, reports to a receiver.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shunt_filter_core::report::{Counters, ServiceReport};
use shunt_filter_core::{RolloutId, RoutingPolicy, VersionName};
use shunt_testbed::until::until_some;
use shunt_testbed::{Client, Envoy, EnvoyOptions, Receiver, locate, until};
use tempfile::TempDir;

/// How long a condition may take to become true.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Workers of the Envoy; each of their VMs reports, and the main thread's.
pub(crate) const WORKERS: u32 = 2;
/// The service of these tests.
pub(crate) const SERVICE: &str = "shop/checkout";

/// What is built around the filter.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The module.
    pub(crate) module: PathBuf,
    /// Versions with their addresses (none: a cluster without endpoints); each gets a cluster `shunt/shop/checkout/<version>` and a
    /// route. The first is the default.
    pub(crate) versions: Vec<(&'static str, Option<SocketAddr>)>,
    /// Versions without a route of their own.
    pub(crate) unrouted: Vec<&'static str>,
    /// Merged into the action of each route: timeout, retry_policy, ...
    pub(crate) action: Value,
    /// Put before the routes of versions.
    pub(crate) routes: Vec<Value>,
    /// Merged into the connection manager.
    pub(crate) manager: Value,
    /// Merged into each version's cluster.
    pub(crate) cluster: Value,
    /// Further clusters.
    pub(crate) clusters: Vec<Value>,
    /// True: `x-shunt-*` of clients is removed before the filter, as at an untrusted edge.
    pub(crate) strip: bool,
    /// Where reports go.
    pub(crate) receiver: Option<SocketAddr>,
}

impl Plan {
    /// The module as built, these versions, no reports.
    pub(crate) fn new(versions: &[(&'static str, SocketAddr)]) -> Result<Self> {
        Ok(Self {
            module: locate::filter()?,
            versions: versions.iter().map(|(name, address)| (*name, Some(*address))).collect(),
            unrouted: Vec::new(),
            action: json!({}),
            routes: Vec::new(),
            manager: json!({}),
            cluster: json!({}),
            clusters: Vec::new(),
            strip: false,
            receiver: None,
        })
    }
}

/// A running Envoy with the filter.
#[derive(Debug)]
pub(crate) struct Rig {
    /// The Envoy.
    pub(crate) envoy: Envoy,
    /// Its listener.
    pub(crate) address: SocketAddr,
    plan: Plan,
    folder: TempDir,
    pushes: u64,
}

impl Rig {
    /// Starts Envoy without a policy.
    pub(crate) async fn start(plan: Plan) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let bootstrap = serde_json::to_string(&bootstrap(&plan, &folder))?;
        // Envoy wants the file to be there.
        write(&folder, 0, &wasm(&plan, ""))?;
        let options = EnvoyOptions { concurrency: WORKERS, ..EnvoyOptions::default() };
        let envoy = Envoy::start(&bootstrap, options).await?;
        let address = envoy.listener("shunt").await?;
        let rig = Self { address, envoy, plan, folder, pushes: 0 };
        until_some("Envoy has the module", SOON, || async { (rig.answers().await.ok()? > 0).then_some(()) }).await?;
        Ok(rig)
    }

    /// Pushes a policy with the next generation and waits until Envoy has taken it. Returns the generation.
    pub(crate) async fn push(&mut self, policy: &RoutingPolicy) -> Result<u64> {
        let mut policy = policy.clone();
        policy.generation = self.pushes + 1;
        self.push_text(&serde_json::to_string(&policy)?).await?;
        Ok(policy.generation)
    }

    /// Pushes these bytes as the policy and waits until Envoy has taken or refused them.
    pub(crate) async fn push_text(&mut self, policy: &str) -> Result<()> {
        self.replace(&wasm(&self.plan, policy)).await
    }

    async fn replace(&mut self, filter: &Value) -> Result<()> {
        let before = self.answers().await?;
        self.pushes += 1;
        write(&self.folder, self.pushes, filter)?;
        until_some("Envoy has answered the push", SOON, || async { (self.answers().await.ok()? > before).then_some(()) }).await
    }

    /// Pushes a filter that does nothing in the place of ours.
    pub(crate) async fn switch_off(&mut self) -> Result<()> {
        let nothing = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"});
        self.replace(&nothing).await
    }

    /// Where the plan's reports go.
    pub(crate) fn reports_to(&self) -> Option<SocketAddr> {
        self.plan.receiver
    }

    /// Pushes taken and refused so far.
    async fn answers(&self) -> Result<u64> {
        let stats = self.envoy.stats("extension_config_discovery.*shunt.*(config_reload|config_fail)$").await?;
        Ok(stats.values().sum())
    }

    /// Pushes refused so far.
    pub(crate) async fn refused(&self) -> Result<u64> {
        let stats = self.envoy.stats("extension_config_discovery.*shunt.*config_fail$").await?;
        Ok(stats.values().sum())
    }

    /// A client of `shop.test`.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address).host("shop.test")
    }
}

/// The service's part of each VM's newest report.
pub(crate) fn parts(receiver: &Receiver) -> Vec<ServiceReport> {
    let name: RolloutId = SERVICE.parse().expect("a name");
    receiver.service(&name).into_values().collect()
}

/// The counters of one version over all VMs.
pub(crate) fn counted(receiver: &Receiver, version: &str) -> Counters {
    let name: VersionName = version.parse().expect("a name");
    let mut sum = Counters::default();
    for counters in parts(receiver).iter().filter_map(|part| part.versions.get(&name)) {
        sum.add(counters);
    }
    sum
}

/// The counters of all versions over all VMs.
pub(crate) fn total(receiver: &Receiver) -> Counters {
    let mut sum = Counters::default();
    for counters in parts(receiver).iter().flat_map(|part| part.versions.values()) {
        sum.add(counters);
    }
    sum
}

/// One number of the service over all VMs.
pub(crate) fn sum(receiver: &Receiver, of: impl Fn(&ServiceReport) -> u64) -> u64 {
    parts(receiver).iter().map(of).sum()
}

/// Waits until every VM of the rig runs the generation.
pub(crate) async fn live(receiver: &Receiver, generation: u64) -> Result<()> {
    let vms = usize::try_from(WORKERS)? + 1;
    let running = || receiver.latest().values().filter(|report| report.generation == generation && !report.last).count();
    let all = until(&format!("{vms} VMs report generation {generation}"), SOON, || async { running() >= vms }).await;
    all.with_context(|| format!("{:?}", receiver.latest()))
}

/// Waits until every decided request has ended and the reports say so: `started` requests in all.
pub(crate) async fn settled(receiver: &Receiver, started: u64) -> Result<Counters> {
    let ended = || async {
        let total = total(receiver);
        (total.started == started && total.ended() == started).then_some(total)
    };
    until_some(&format!("{started} requests have ended"), SOON, ended).await.with_context(|| format!("{:?}", total(receiver)))
}

/// The test build of the module, which panics on requests with `x-test-panic`.
pub(crate) fn panicking_module() -> Result<PathBuf> {
    locate::panicking_filter()
}

/// A policy for [`SERVICE`] at `shop.test` from the interesting fields of its service.
pub(crate) fn policy(receiver: Option<SocketAddr>, service: Value) -> RoutingPolicy {
    let mut whole = json!({
        "name": SERVICE, "hosts": ["shop.test"], "stable": "v1", "defaultRoute": "v1",
        "versions": [version("v1"), version("v2")],
        "key": [{"cookie": "shunt-id"}],
    });
    merge(&mut whole, service);
    let report = receiver.map(|_| json!({"cluster": "shunt-api", "authority": "shunt-api", "intervalMs": 50, "heartbeatMs": 500}));
    serde_json::from_value(json!({"format": 1, "generation": 0, "report": report, "services": [whole]})).expect("a policy")
}

/// A version of a policy, answered by its own cluster.
pub(crate) fn version(name: &str) -> Value {
    json!({"name": name, "clusters": [format!("shunt/{SERVICE}/{name}")]})
}

/// Puts the fields of `from` over those of `into`, in depth.
pub(crate) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// Puts a filter into the file that Envoy watches; it sees only whole files that are moved there.
fn write(folder: &TempDir, version: u64, filter: &Value) -> Result<()> {
    let body = json!({"version_info": version.to_string(), "resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "shunt",
        "typed_config": filter,
    }]});
    let new = folder.path().join("new.json");
    std::fs::write(&new, serde_json::to_vec(&body)?)?;
    Ok(std::fs::rename(&new, folder.path().join("ecds.json"))?)
}

fn wasm(plan: &Plan, policy: &str) -> Value {
    let module = plan.module.display().to_string();
    let mut config = json!({
        "name": "shunt", "root_id": "shunt", "failure_policy": "FAIL_OPEN",
        "vm_config": {"vm_id": "shunt", "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": module}}},
    });
    if !policy.is_empty() {
        config["configuration"] = json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy});
    }
    json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": config})
}

fn bootstrap(plan: &Plan, folder: &TempDir) -> Value {
    let mut clusters: Vec<Value> =
        plan.versions.iter().map(|(name, address)| cluster(&cluster_name(name), *address, &plan.cluster)).collect();
    clusters.extend(plan.clusters.iter().cloned());
    if let Some(receiver) = plan.receiver {
        clusters.push(cluster("shunt-api", Some(receiver), &json!({})));
    }
    let tags: Vec<Value> =
        shunt_filter_core::metric::Label::ALL.iter().map(|label| json!({"tag_name": label.name(), "regex": label.regex()})).collect();
    json!({
        "node": {"id": "rig", "cluster": "tests", "metadata": {"NAMESPACE": "shop"}},
        "stats_config": {"stats_tags": tags},
        "static_resources": {"listeners": [listener(plan, folder)], "clusters": clusters},
    })
}

fn cluster_name(version: &str) -> String {
    format!("shunt/{SERVICE}/{version}")
}

fn cluster(name: &str, address: Option<SocketAddr>, more: &Value) -> Value {
    let socket = |at: SocketAddr| json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}});
    let endpoints: Vec<Value> = address.into_iter().map(|at| json!({"endpoint": {"address": socket(at)}})).collect();
    let mut cluster = json!({
        "name": name, "type": "STATIC", "connect_timeout": "10s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "circuit_breakers": {"thresholds": [{"max_connections": 10000, "max_requests": 10000, "max_pending_requests": 10000, "max_retries": 1000}]},
    });
    merge(&mut cluster, more.clone());
    cluster
}

fn listener(plan: &Plan, folder: &TempDir) -> Value {
    let mut routes = plan.routes.clone();
    for (name, _) in plan.versions.iter().filter(|(name, _)| !plan.unrouted.contains(name)) {
        let value = format!("{SERVICE}/{name}");
        let header = json!({"name": "x-shunt-route", "string_match": {"exact": value}});
        routes.push(route(plan, &format!("shunt-shop-checkout-{name}"), &json!({"prefix": "/", "headers": [header]}), name));
    }
    if let Some((default, _)) = plan.versions.first() {
        routes.push(route(plan, "shunt-default", &json!({"prefix": "/"}), default));
    }
    let router = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"});
    let filters = json!([discovered(folder), {"name": "router", "typed_config": router}]);
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "shunt", "codec_type": "AUTO",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http2_protocol_options": {"allow_connect": true},
        "route_config": {"name": "shunt", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": filters,
    });
    if plan.strip {
        manager["early_header_mutation_extensions"] = json!([{"name": "strip", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [{"remove_on_match": {"key_matcher": {"prefix": "x-shunt-"}}}],
        }}]);
    }
    merge(&mut manager, plan.manager.clone());
    json!({
        "name": "shunt",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    })
}

fn route(plan: &Plan, name: &str, matches: &Value, version: &str) -> Value {
    let mut action = json!({"cluster": cluster_name(version), "timeout": "15s"});
    merge(&mut action, plan.action.clone());
    json!({"name": name, "match": matches, "route": action})
}

/// Without the resource the default lets everything pass, at once (facts: a listener would block, then answer 500).
fn discovered(folder: &TempDir) -> Value {
    let folder = folder.path().display().to_string();
    json!({"name": "shunt", "config_discovery": {
        "config_source": {"path_config_source": {"path": format!("{folder}/ecds.json"), "watched_directory": {"path": folder}}, "resource_api_version": "V3"},
        "type_urls": [
            "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        ],
        "default_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"},
        "apply_default_config_without_warming": true,
    }})
}
