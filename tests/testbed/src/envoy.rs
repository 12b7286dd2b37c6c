//! A real Envoy as a child of the caller.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, Reply};
use crate::process::{Child, Signal, Spec};
use crate::until::{until, until_some};
use crate::{free_port, locate};

/// How an Envoy is started.
#[derive(Debug, Clone)]
pub struct EnvoyOptions {
    /// Number of worker threads.
    pub concurrency: u32,
    /// `trace`, `debug`, `info`, `warning`, `error`, `critical`; also `info` of one component: see `args`.
    pub log_level: String,
    /// Further arguments, for example `--component-log-level wasm:debug`.
    pub args: Vec<String>,
    /// How long it may take until it is ready.
    pub ready: Duration,
}

impl Default for EnvoyOptions {
    fn default() -> Self {
        Self { concurrency: 2, log_level: "warning".to_owned(), args: Vec::new(), ready: Duration::from_secs(20) }
    }
}

/// A running Envoy; killed when dropped.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    admin: SocketAddr,
    folder: TempDir,
    options: EnvoyOptions,
}

impl Envoy {
    /// Starts it with this bootstrap and waits until it is ready (listeners up, first configuration there).
    ///
    /// The bootstrap needs no `admin`: one on a free port is merged into it. Listeners may say `port_value: 0`; see [`Envoy::listener`].
    pub async fn start(bootstrap_yaml: &str, options: EnvoyOptions) -> Result<Self> {
        let envoy = Self::launch(bootstrap_yaml, options).await?;
        envoy.until_ready().await?;
        Ok(envoy)
    }

    /// Starts it and returns when its admin interface answers, ready or not.
    pub async fn launch(bootstrap_yaml: &str, options: EnvoyOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("shunt-envoy-").tempdir()?;
        let (child, admin) = spawn(bootstrap_yaml, &options, folder.path()).await?;
        Ok(Self { child, admin, folder, options })
    }

    /// Checks a bootstrap as `--mode validate` does. The error holds what Envoy says.
    pub async fn validate(bootstrap_yaml: &str) -> Result<()> {
        let folder = tempfile::Builder::new().prefix("shunt-envoy-").tempdir()?;
        let path = folder.path().join("bootstrap.yaml");
        std::fs::write(&path, bootstrap_yaml)?;
        let spec = Spec::new("envoy", locate::envoy()?, folder.path()).args(["--mode", "validate", "-l", "error", "-c"]).arg(&path);
        let child = Child::spawn(&spec)?;
        let status = child.wait(Duration::from_secs(30)).await?;
        if status.success() { Ok(()) } else { bail!("Envoy refuses the bootstrap: {}{}", child.output(), child.log()) }
    }

    /// Waits until it is ready.
    pub async fn until_ready(&self) -> Result<()> {
        let ready = until("Envoy is ready", self.options.ready, || async {
            self.child.exited().is_some() || self.get("/ready").await.is_ok_and(|reply| reply.status == 200)
        });
        ready.await.with_context(|| self.child.log_tail(30))?;
        match self.child.exited() {
            Some(status) => bail!("Envoy ended while it started: {status}\n{}", self.child.log_tail(30)),
            None => Ok(()),
        }
    }

    /// The address of its admin interface.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Where its bootstrap and logs are; access logs may go there too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// GET from the admin interface.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        Client::new(self.admin).get(path).await
    }

    /// POST to the admin interface, for example `/drain_listeners?graceful`.
    pub async fn post(&self, path: &str) -> Result<Reply> {
        Client::new(self.admin).request(Method::POST, path).send().await
    }

    /// The address that a listener really has, by its name; waits until it has one.
    pub async fn listener(&self, name: &str) -> Result<SocketAddr> {
        let found = until_some(format!("Envoy has the listener {name:?}"), self.options.ready, || async {
            let all: Value = self.get("/listeners?format=json").await.ok()?.json().ok()?;
            let mut listeners = all["listener_statuses"].as_array()?.iter();
            let at = &listeners.find(|one| one["name"] == name)?["local_address"]["socket_address"];
            let (address, port) = (at["address"].as_str()?, at["port_value"].as_u64()?);
            (port > 0).then(|| format!("{address}:{port}").parse().ok()).flatten()
        });
        found.await.with_context(|| self.child.log_tail(30))
    }

    /// Counters and gauges whose name matches the regular expression (Envoy's, unanchored).
    pub async fn stats(&self, filter: &str) -> Result<BTreeMap<String, u64>> {
        let escaped: String =
            filter.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
        let reply = self.get(&format!("/stats?filter={escaped}")).await?;
        let lines = reply.text();
        Ok(lines
            .lines()
            .filter_map(|line| line.rsplit_once(": "))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// One counter or gauge; 0 when there is none of that name.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        let pattern: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c.to_string() } else { format!("\\{c}") }).collect();
        Ok(self.stats(&format!("^{pattern}$")).await?.get(name).copied().unwrap_or(0))
    }

    /// All configuration it runs, endpoints included.
    pub async fn config_dump(&self) -> Result<Value> {
        self.get("/config_dump?include_eds").await?.json()
    }

    /// Its clusters with their hosts, as JSON.
    pub async fn clusters(&self) -> Result<Value> {
        self.get("/clusters?format=json").await?.json()
    }

    /// SIGTERM; waits until it is gone. The filter's last reports are posted on the way.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.child.stop(Duration::from_secs(15)).await
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }
}

async fn spawn(bootstrap_yaml: &str, options: &EnvoyOptions, folder: &Path) -> Result<(Child, SocketAddr)> {
    let path = folder.join("bootstrap.yaml");
    std::fs::write(&path, bootstrap_yaml)?;
    let admin_file = folder.join("admin.address");
    // The kernel picks the admin's port, and Envoy writes down what it got: no race for a free one. Merged over
    // an `admin` of the bootstrap, if it has one.
    let admin = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}";
    let spec = Spec::new("envoy", locate::envoy()?, folder)
        .arg("-c")
        .arg(&path)
        .args(["--config-yaml", admin])
        .arg("--admin-address-path")
        .arg(&admin_file)
        .args(["--disable-hot-restart", "--file-flush-interval-msec", "50", "--concurrency"])
        .arg(options.concurrency.to_string())
        .args(["-l", &options.log_level])
        .args(&options.args);
    let child = Child::spawn(&spec)?;
    let address = until_some("Envoy's admin interface is there", options.ready, || async {
        let text = std::fs::read_to_string(&admin_file).ok();
        let address = text.and_then(|text| text.trim().parse::<SocketAddr>().ok()).map(Ok);
        address.or_else(|| child.exited().map(Err))
    });
    match address.await.with_context(|| child.log_tail(30))? {
        Ok(address) => Ok((child, address)),
        Err(status) => bail!("Envoy ended while it started: {status}\n{}", child.log_tail(30)),
    }
}

/// A free loopback address for a listener whose port must be known before Envoy runs.
pub fn listen_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}
