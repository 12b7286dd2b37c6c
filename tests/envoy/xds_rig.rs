//! The real control plane and an Envoy that gets everything from it, in either variant of xDS.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use shunt_testbed::envoy::listen_address;
use shunt_testbed::{Client, ControlPlane, Envoy, EnvoyOptions, until};

/// How long anything may take: reports, the quiet time of a proof, a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// The Rollout of these tests.
pub(crate) const ROLLOUT: &str = "shop/checkout";
/// Its manifest's file.
pub(crate) const FILE: &str = "checkout.yaml";
/// A release waits at 50 % until an operator says more.
pub(crate) const HALF: &str = "strategy: {canary: {steps: [{setWeight: 50}, {pause: {}}]}}
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}
  fallbackDeadline: 1h
  keepOld: 0s";

/// Which variant the Envoy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Delta,
    StateOfTheWorld,
}

impl Variant {
    /// What `shunt envoy-bootstrap` is told.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Delta => &[],
            Self::StateOfTheWorld => &["--state-of-the-world"],
        }
    }
}

/// Everything a test talks to.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) control: ControlPlane,
    pub(crate) envoy: Envoy,
    /// Where the Envoy takes requests.
    pub(crate) address: SocketAddr,
    /// What the Envoy was started with.
    pub(crate) bootstrap: String,
}

impl Rig {
    /// Starts both; returns when the release is in place.
    pub(crate) async fn start(variant: Variant, manifest: &str) -> Result<Self> {
        Self::start_with(variant.arguments(), manifest).await
    }

    /// The same with further arguments of `shunt envoy-bootstrap`.
    pub(crate) async fn start_with(arguments: &[&str], manifest: &str) -> Result<Self> {
        let control = ControlPlane::start(&[(FILE, manifest)]).await?;
        let listen = listen_address().to_string();
        let bootstrap = control.bootstrap("edge-1", &[&["--listen", &listen], arguments].concat()).await?;
        let envoy = Envoy::start(&bootstrap, EnvoyOptions::default()).await?;
        let address = envoy.listener("shunt").await?;
        let rig = Self { control, envoy, address, bootstrap };
        rig.until("the release is in place", |view| view["phase"] == "Healthy" && live(view)).await?;
        Ok(rig)
    }

    /// Replaces the manifest.
    pub(crate) fn write(&self, manifest: &str) -> Result<()> {
        self.control.write(FILE, manifest)
    }

    /// Waits until the Rollout's view fulfils a condition.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Result<Value> {
        self.control.until_rollout(what, ROLLOUT, SOON, condition).await
    }

    /// A client of `shop.test`.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address).host("shop.test")
    }

    /// The version that a user gets.
    pub(crate) async fn version_of(&self, user: usize) -> Option<String> {
        let ask = self.client().request(hyper::Method::GET, "/").header("cookie", format!("shunt-id=user-{user}"));
        ask.send().await.ok()?.version()
    }

    /// Our clusters at the Envoy.
    pub(crate) async fn clusters(&self) -> Result<BTreeSet<String>> {
        let names = hosts(&self.envoy).await?.into_keys();
        Ok(names.filter(|name| name.starts_with("shunt/")).collect())
    }

    /// Waits until a cluster has exactly these hosts.
    pub(crate) async fn until_hosts(&self, cluster: &str, expected: &[SocketAddr]) -> Result<()> {
        let expected: BTreeSet<SocketAddr> = expected.iter().copied().collect();
        let there = || async { hosts(&self.envoy).await.is_ok_and(|all| all.get(cluster) == Some(&expected)) };
        until(format!("{cluster} has {expected:?}"), SOON, there).await.with_context(|| self.control.log())
    }

    /// How often the Envoy took something of each kind, by stat; endpoints by cluster.
    pub(crate) async fn updates(&self) -> Result<BTreeMap<String, u64>> {
        let stats =
            self.envoy.stats("(cds|lds|rds\\.shunt|cluster\\.shunt/.*|extension_config_discovery\\..*)\\.(update_success|config_reload)$");
        Ok(stats.await?.into_iter().filter(|(name, _)| !name.contains("shunt-api") && !name.contains("shunt-xds")).collect())
    }
}

/// A Rollout of `shop.test` in namespace `shop`: versions with their instances.
pub(crate) fn manifest(versions: &[(&str, &[SocketAddr])], release: &str, spec: &str) -> String {
    let mut listed = String::new();
    for (name, endpoints) in versions {
        let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("'{endpoint}'")).collect();
        let _ = writeln!(listed, "    - {{name: {name}, endpoints: [{}]}}", endpoints.join(", "));
    }
    format!(
        "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: checkout, namespace: shop}}
spec:
  service: {{hosts: [shop.test]}}
  versions:
{listed}  release: {release}
  key: [{{cookie: shunt-id}}]
  {spec}
"
    )
}

/// Whether policy and routes are proved.
pub(crate) fn live(view: &Value) -> bool {
    view["policy"]["live"].is_object() && (view["routes"]["live"].is_object() || view["routes"] == "external")
}

/// The hosts of each cluster of an Envoy.
async fn hosts(envoy: &Envoy) -> Result<BTreeMap<String, BTreeSet<SocketAddr>>> {
    let all = envoy.clusters().await?;
    let statuses = all["cluster_statuses"].as_array().context("cluster_statuses")?;
    let address = |host: &Value| {
        let socket = &host["address"]["socket_address"];
        format!("{}:{}", socket["address"].as_str()?, socket["port_value"]).parse().ok()
    };
    let of = |cluster: &Value| {
        let hosts = cluster["host_statuses"].as_array().into_iter().flatten().filter_map(address).collect();
        Some((cluster["name"].as_str()?.to_owned(), hosts))
    };
    Ok(statuses.iter().filter_map(of).collect())
}
