//! The control plane that runs shops as instances, a real Envoy, and the processes as the kernel knows them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use shunt_testbed::process::{Signal, signal};
use shunt_testbed::{ControlPlane, Envoy, Load, RunningLoad, locate, until};

use crate::control_rig::{FILE, ROLLOUT, live, proxy_with};

/// How long one change of instances may take: reports, proofs, a busy machine.
pub(crate) const CHANGE: Duration = Duration::from_secs(30);

/// Everything a test talks to. Its instances end with it.
#[derive(Debug)]
pub(crate) struct Farm {
    pub(crate) control: ControlPlane,
    pub(crate) envoy: Envoy,
    pub(crate) address: SocketAddr,
    mark: String,
    protocol: &'static str,
}

/// What a version is.
#[derive(Debug, Clone)]
pub(crate) struct Version<'v> {
    pub(crate) name: &'v str,
    pub(crate) instances: u32,
    /// Further arguments of the shop.
    pub(crate) args: &'v [&'v str],
    /// Further fields of the version.
    pub(crate) fields: &'v str,
}

impl<'v> Version<'v> {
    pub(crate) fn new(name: &'v str, instances: u32) -> Self {
        Self { name, instances, args: &[], fields: "probe: {path: /ready, interval: 200ms}" }
    }
}

impl Farm {
    /// These versions of the sample shop, v1 released, and an Envoy; returns when v1's instances are ready and all is proved.
    pub(crate) async fn start(versions: &[Version<'_>], spec: &str) -> Result<Self> {
        Self::begin("http1", versions, spec, &[]).await
    }

    /// The same with instances that the proxy speaks to by this protocol.
    pub(crate) async fn speaking(protocol: &'static str, versions: &[Version<'_>], spec: &str) -> Result<Self> {
        Self::begin(protocol, versions, spec, &[]).await
    }

    /// The same with further arguments for control plane and bootstrap.
    pub(crate) async fn start_with(versions: &[Version<'_>], spec: &str, args: &[&str]) -> Result<Self> {
        Self::begin("http1", versions, spec, args).await
    }

    async fn begin(protocol: &'static str, versions: &[Version<'_>], spec: &str, args: &[&str]) -> Result<Self> {
        static MARKS: AtomicU32 = AtomicU32::new(0);
        let mark = format!("farm-{}-{}", std::process::id(), MARKS.fetch_add(1, Ordering::Relaxed));
        let control = ControlPlane::start_with(&[(FILE, &manifest(&mark, protocol, versions, "v1", spec)?)], args).await?;
        let (envoy, address) = proxy_with(&control, "edge-1", args).await?;
        let farm = Self { control, envoy, address, mark, protocol };
        let all = versions[0].instances as usize;
        // By command line: it speaks TLS, too.
        let in_place = || async {
            let text = farm.control.cli_ok(&["get", ROLLOUT, "-o", "json"]).await.unwrap_or_default();
            serde_json::from_str(&text).is_ok_and(|view: Value| live(&view) && ready(&view, "v1").len() == all)
        };
        until("v1 is in place", CHANGE, in_place).await.with_context(|| farm.control.log())?;
        Ok(farm)
    }

    /// Writes the manifest.
    pub(crate) fn write(&self, versions: &[Version<'_>], release: &str, spec: &str) -> Result<()> {
        self.control.write(FILE, &manifest(&self.mark, self.protocol, versions, release, spec)?)
    }

    /// Waits until the Rollout's view fulfils a condition.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Result<Value> {
        self.control.until_rollout(what, ROLLOUT, CHANGE, condition).await
    }

    /// 500 users, 200 requests/s.
    pub(crate) fn load(&self) -> RunningLoad {
        Load::new(self.address).users(500).rate(200.0).start()
    }

    /// The processes of all instances that run, as the kernel knows them.
    pub(crate) fn processes(&self) -> BTreeSet<u32> {
        processes(&self.mark)
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        // First the one that would start them again.
        self.control.kill();
        for pid in processes(&self.mark) {
            signal(pid, Signal::KILL);
        }
    }
}

/// Processes with this mark in their environment that have become the shop, or are about to.
fn processes(mark: &str) -> BTreeSet<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let marked = format!("SHUNT_TEST_MARK={mark}");
    let ours = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == marked.as_bytes())
    };
    pids.filter(ours).collect()
}

fn manifest(mark: &str, protocol: &str, versions: &[Version<'_>], release: &str, spec: &str) -> Result<String> {
    let (shop, me) = (locate::shop()?, std::process::id().to_string());
    let mut all = String::new();
    for Version { name, instances, args, fields } in versions {
        let program = shop.to_str().context("path of the shop")?;
        let words: Vec<&str> = [program, "--version", name, "--while-alive", &me].into_iter().chain(args.iter().copied()).collect();
        let command = serde_json::to_string(&words)?;
        let fields = if fields.is_empty() { String::new() } else { format!(", {fields}") };
        writeln!(all, "    - {{name: {name}, instances: {instances}, env: {{SHUNT_TEST_MARK: {mark}}}, command: {command}{fields}}}")?;
    }
    Ok(format!(
        "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: checkout, namespace: shop}}
spec:
  service: {{hosts: [shop.test], protocol: {protocol}}}
  versions:
{all}  release: {release}
  key: [{{cookie: shunt-id}}]
  {spec}
"
    ))
}

/// The instances of a version.
pub(crate) fn instances(view: &Value, version: &str) -> Vec<Value> {
    let versions = view["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = versions.iter().find(|one| one["name"] == version);
    found.and_then(|one| one["instances"].as_array()).cloned().unwrap_or_default()
}

/// Process ids of those that are ready.
pub(crate) fn ready(view: &Value, version: &str) -> BTreeSet<u32> {
    let ready = |one: &&Value| one["state"] == "ready";
    instances(view, version).iter().filter(ready).filter_map(|one| one["pid"].as_u64()?.try_into().ok()).collect()
}
