//! The control plane with a real Envoy that gets everything from it, sample shops as versions, and load with users.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use shunt_core::journal::Entry;
use shunt_core::replay::Incident;
use shunt_testbed::envoy::listen_address;
use shunt_testbed::{ControlPlane, Envoy, EnvoyOptions, Load, LocalShop, RunningLoad, until};

/// The Rollout of these tests.
pub(crate) const ROLLOUT: &str = "shop/checkout";

/// Its manifest's file.
pub(crate) const FILE: &str = "checkout.yaml";

/// How long one step may take: reports, the quiet time of the proof, a busy machine.
pub(crate) const STEP: Duration = Duration::from_secs(25);

/// How long a whole run may take.
pub(crate) const RUN: Duration = Duration::from_secs(90);

/// A canary of two short steps; enough traffic for a pass at 200 requests/s.
pub(crate) const CANARY: &str = "strategy: {canary: {steps: [{setWeight: 20}, {pause: {duration: 1s}}, {setWeight: 50}]}}
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}
  keepOld: 0s";

/// Everything a test talks to.
#[derive(Debug)]
pub(crate) struct Rig {
    /// The control plane.
    pub(crate) control: ControlPlane,
    /// One proxy, `edge-1`.
    pub(crate) envoy: Envoy,
    /// Where the proxy takes requests.
    pub(crate) address: SocketAddr,
    /// The versions, in order: v1, v2, ...
    pub(crate) shops: Vec<LocalShop>,
    spec: String,
}

impl Rig {
    /// `versions` shops, a Rollout that releases v1 with this tail of its spec, and an Envoy; returns when v1 answers and all is proved.
    pub(crate) async fn start(versions: usize, spec: &str) -> Result<Self> {
        Self::start_with(versions, spec, None).await
    }

    /// The same with a data folder of this size, bytes.
    pub(crate) async fn start_on_disk(versions: usize, spec: &str, size: u64) -> Result<Self> {
        Self::start_with(versions, spec, Some(size)).await
    }

    async fn start_with(versions: usize, spec: &str, disk: Option<u64>) -> Result<Self> {
        let mut shops = Vec::new();
        for number in 1..=versions {
            shops.push(LocalShop::start(&format!("v{number}")).await?);
        }
        let manifest = manifest("checkout", "shop.test", &shops, "v1", spec);
        let manifests: [(&str, &str); 1] = [(FILE, &manifest)];
        let control = match disk {
            Some(size) => ControlPlane::start_on_disk(&manifests, size).await?,
            None => ControlPlane::start(&manifests).await?,
        };
        let (envoy, address) = proxy(&control, "edge-1").await?;
        let rig = Self { control, envoy, address, shops, spec: spec.to_owned() };
        rig.until("v1 is in place", STEP, |view| view["phase"] == "Healthy" && live(view)).await?;
        Ok(rig)
    }

    /// The manifest with another release.
    pub(crate) fn manifest(&self, release: &str) -> String {
        manifest("checkout", "shop.test", &self.shops, release, &self.spec)
    }

    /// Writes the manifest with another release.
    pub(crate) fn release(&self, version: &str) -> Result<()> {
        self.control.write(FILE, &self.manifest(version))
    }

    /// 1,000 users with cookies, 200 requests/s.
    pub(crate) fn load(&self) -> RunningLoad {
        Load::new(self.address).users(1000).rate(200.0).start()
    }

    /// Waits until the Rollout's view fulfils a condition.
    pub(crate) async fn until(&self, what: &str, deadline: Duration, condition: impl Fn(&Value) -> bool) -> Result<Value> {
        self.control.until_rollout(what, ROLLOUT, deadline, condition).await
    }

    /// The journal, oldest first.
    pub(crate) async fn history(&self) -> Result<Vec<Entry>> {
        let incident: Incident = self.control.get_json(&format!("/v1/rollouts/{ROLLOUT}/journal?limit=1000")).await?;
        Ok(incident.entries)
    }

    /// The sentences of the journal, oldest first.
    pub(crate) async fn story(&self) -> Result<Vec<String>> {
        Ok(self.history().await?.into_iter().map(|entry| entry.reason).collect())
    }

    /// The policy's generation, as published.
    pub(crate) async fn generation(&self) -> Result<u64> {
        let policy: Value = self.control.get_json("/v1/policy").await?;
        policy["generation"].as_u64().context("generation")
    }
}

/// An Envoy that gets everything from this control plane, and the address of its listener.
pub(crate) async fn proxy(control: &ControlPlane, node: &str) -> Result<(Envoy, SocketAddr)> {
    proxy_with(control, node, &[]).await
}

/// The same with further arguments for its bootstrap.
pub(crate) async fn proxy_with(control: &ControlPlane, node: &str, args: &[&str]) -> Result<(Envoy, SocketAddr)> {
    let listen = listen_address().to_string();
    let bootstrap = control.bootstrap(node, &[&["--listen", &listen], args].concat()).await?;
    let envoy = Envoy::start(&bootstrap, EnvoyOptions::default()).await?;
    let address = envoy.listener("shunt").await?;
    Ok((envoy, address))
}

/// Waits until nothing is under way: filters report slowly (itself a push), and the first proxy says that it has that.
pub(crate) async fn at_rest(control: &ControlPlane) -> Result<()> {
    until("nothing is under way", RUN, || async { is_at_rest(control).await.unwrap_or(false) }).await
}

async fn is_at_rest(control: &ControlPlane) -> Result<bool> {
    let policy: Value = control.get_json("/v1/policy").await?;
    let proxies: Value = control.get_json("/v1/proxies").await?;
    let reported = proxies.pointer("/proxies/0/generation").or_else(|| proxies.pointer("/0/generation"));
    Ok(policy["report"]["intervalMs"].as_u64() > Some(1_000) && reported == Some(&policy["generation"]))
}

/// A Rollout in namespace `shop`.
pub(crate) fn manifest(name: &str, host: &str, shops: &[LocalShop], release: &str, spec: &str) -> String {
    let mut versions = String::new();
    for (index, shop) in shops.iter().enumerate() {
        let _ = writeln!(versions, "    - {{name: v{}, endpoints: ['{}']}}", index + 1, shop.address());
    }
    format!(
        "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: {name}, namespace: shop}}
spec:
  service: {{hosts: [{host}]}}
  versions:
{versions}  release: {release}
  key: [{{cookie: shunt-id}}]
  {spec}
"
    )
}

/// Whether policy and routes are proved.
pub(crate) fn live(view: &Value) -> bool {
    view["policy"]["live"].is_object() && (view["routes"]["live"].is_object() || view["routes"] == "external")
}

/// Whether the Rollout is at rest with this version as stable.
pub(crate) fn stable(view: &Value, version: &str) -> bool {
    view["phase"] == "Healthy" && view["stable"] == version && view["candidate"].is_null()
}

/// The candidate's weight, percent.
pub(crate) fn weight(view: &Value, version: &str) -> f64 {
    let versions = view["versions"].as_array();
    let found = versions.and_then(|all| all.iter().find(|one| one["name"] == version));
    found.and_then(|one| one["weight"].as_f64()).unwrap_or(-1.0)
}
