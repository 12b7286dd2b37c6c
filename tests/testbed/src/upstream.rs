//! The sample shop as a real process.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::Method;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::client::Client;
use crate::locate;
use crate::process::{Child, Spec};
use crate::shop::{Counts, Fault, Seen};

/// What `shunt-shop` prints when it listens: one JSON line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Its version.
    pub version: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A running shop; killed when dropped.
#[derive(Debug)]
pub struct Shop {
    child: Child,
    version: String,
    address: SocketAddr,
    folder: TempDir,
}

impl Shop {
    /// Starts a healthy one on a port that the kernel chooses; returns when it listens.
    pub async fn start(version: &str) -> Result<Self> {
        Self::start_at(version, SocketAddr::from(([127, 0, 0, 1], 0)), &[]).await
    }

    /// Starts one at an address, with further arguments of `shunt-shop`.
    pub async fn start_at(version: &str, address: SocketAddr, args: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("shunt-shop-").tempdir()?;
        let (child, address) = spawn(version, address, args, folder.path()).await?;
        Ok(Self { child, version: version.to_owned(), address, folder })
    }

    /// Starts it again at the same address after it was stopped or killed.
    pub async fn restart(&mut self) -> Result<()> {
        self.child.kill();
        (self.child, self.address) = spawn(&self.version, self.address, &[], self.folder.path()).await?;
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// What it counted so far.
    pub async fn counts(&self) -> Result<Counts> {
        Client::new(self.address).get("/admin/counts").await?.json()
    }

    /// Counts from zero again.
    pub async fn reset_counts(&self) -> Result<()> {
        Client::new(self.address).request(Method::DELETE, "/admin/counts").send().await.map(drop)
    }

    /// The last requests, oldest first.
    pub async fn requests(&self) -> Result<Vec<Seen>> {
        Client::new(self.address).get("/admin/requests").await?.json()
    }

    /// Switches faults.
    pub async fn fault(&self, fault: &Fault) -> Result<()> {
        let reply = Client::new(self.address).post_json("/admin/fault", fault).await?;
        ensure!(reply.status == 200, "{}", reply.text());
        Ok(())
    }

    /// SIGTERM: requests in progress end, then it is gone.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.child.stop(Duration::from_secs(15)).await
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill();
    }
}

async fn spawn(version: &str, address: SocketAddr, args: &[&str], folder: &Path) -> Result<(Child, SocketAddr)> {
    let port = address.port().to_string();
    let spec = Spec::new("shop", locate::shop()?, folder).args(["--version", version, "--port", &port]).args(args);
    let child = Child::spawn(&spec)?;
    let line = child.first_line(Duration::from_secs(10)).await?;
    let hello: Hello = serde_json::from_str(&line).with_context(|| format!("shunt-shop printed {line:?}"))?;
    Ok((child, hello.address))
}
