//! A real Prometheus that scrapes Envoys.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::process::{Child, Spec};
use crate::until::{until, until_some};
use crate::{free_port, locate};

/// How long it may take until it answers.
const READY: Duration = Duration::from_secs(20);

/// A running Prometheus; killed when dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes the admin interfaces of these Envoys, every half second.
    pub async fn start(envoys: &[SocketAddr]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("shunt-prometheus-").tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let child = spawn(folder.path(), address, envoys)?;
        let ready = until("Prometheus is ready", READY, || async {
            child.exited().is_some() || Client::new(address).get("/-/ready").await.is_ok_and(|reply| reply.status == 200)
        });
        ready.await.with_context(|| child.log_tail(20))?;
        anyhow::ensure!(child.exited().is_none(), "Prometheus ended while it started\n{}", child.log_tail(20));
        Ok(Self { child, address, _folder: folder })
    }

    /// What a metric's `prometheus.address` says.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The value of an instant query that gives one; none when it gives nothing.
    pub async fn query(&self, query: &str) -> Result<Option<f64>> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer: Value = Client::new(self.address).get(&format!("/api/v1/query?query={escaped}")).await?.json()?;
        anyhow::ensure!(answer["status"] == "success", "{query}: {answer}");
        Ok(answer.pointer("/data/result/0/value/1").and_then(Value::as_str).and_then(|text| text.parse().ok()))
    }

    /// Waits until an instant query gives a number that fulfils a condition.
    pub async fn until(&self, query: &str, deadline: Duration, condition: impl Fn(f64) -> bool) -> Result<f64> {
        let found = until_some(format!("Prometheus answers {query}"), deadline, || async {
            self.query(query).await.ok().flatten().filter(|value| condition(*value))
        });
        found.await.with_context(|| self.child.log_tail(20))
    }

    /// SIGKILL: no process answers at its address any more.
    pub fn kill(&mut self) {
        self.child.kill();
    }
}

fn spawn(folder: &Path, address: SocketAddr, envoys: &[SocketAddr]) -> Result<Child> {
    let mut targets = String::new();
    for envoy in envoys {
        let _ = write!(targets, "'{envoy}',");
    }
    let config = format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1m}}
scrape_configs:
  - job_name: envoy
    metrics_path: /stats/prometheus
    static_configs: [{{targets: [{targets}]}}]
"
    );
    let file = folder.join("prometheus.yml");
    std::fs::write(&file, config)?;
    let spec = Spec::new("prometheus", locate::prometheus()?, folder)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={address}"));
    Child::spawn(&spec)
}
