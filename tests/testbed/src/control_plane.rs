//! `shunt serve` as a real process, its API and its command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, Reply};
use crate::locate;
use crate::process::{Child, Spec};
use crate::until::until;

/// What `shunt serve` prints when it listens: one JSON line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Addresses {
    /// gRPC, for Envoy.
    pub xds: SocketAddr,
    /// HTTP, for people, pipelines and reports.
    pub api: SocketAddr,
}

/// A running control plane with folders of its own; killed when dropped.
#[derive(Debug)]
pub struct ControlPlane {
    child: Child,
    addresses: Addresses,
    config: PathBuf,
    data: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    disk: Option<u64>,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts one with these manifests: file name and YAML.
    pub async fn start(manifests: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(manifests, &[]).await
    }

    /// Starts one with further arguments of `shunt serve`.
    pub async fn start_with(manifests: &[(&str, &str)], args: &[&str]) -> Result<Self> {
        Self::launch(manifests, args, Vec::new()).await
    }

    /// Starts one that logs what this filter lets through, in the words of `RUST_LOG`.
    pub async fn start_logging(manifests: &[(&str, &str)], filter: &str) -> Result<Self> {
        Self::launch(manifests, &[], vec![("RUST_LOG".to_owned(), filter.to_owned())]).await
    }

    /// Starts one with further arguments of `shunt serve` that logs only warnings and errors.
    pub async fn start_quietly(manifests: &[(&str, &str)], args: &[&str]) -> Result<Self> {
        Self::launch(manifests, args, vec![("RUST_LOG".to_owned(), "warn".to_owned())]).await
    }

    /// Starts one whose data folder is a file system of this size, bytes, in a mount namespace of its own: only for root, on Linux.
    pub async fn start_on_disk(manifests: &[(&str, &str)], size: u64) -> Result<Self> {
        Self::launch_on(manifests, &[], Vec::new(), Some(size)).await
    }

    async fn launch(manifests: &[(&str, &str)], args: &[&str], env: Vec<(String, String)>) -> Result<Self> {
        Self::launch_on(manifests, args, env, None).await
    }

    async fn launch_on(manifests: &[(&str, &str)], args: &[&str], env: Vec<(String, String)>, disk: Option<u64>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("shunt-control-plane-").tempdir()?;
        let (config, data) = (folder.path().join("config"), folder.path().join("data"));
        std::fs::create_dir_all(&config)?;
        std::fs::create_dir_all(&data)?;
        for (name, text) in manifests {
            std::fs::write(config.join(name), text)?;
        }
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let any = Addresses { xds: SocketAddr::from(([127, 0, 0, 1], 0)), api: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let (child, addresses) = spawn(folder.path(), &config, &data, any, &args, &env, disk).await?;
        Ok(Self { child, addresses, config, data, args, env, disk, folder })
    }

    /// Where Envoy finds it (gRPC).
    pub fn xds(&self) -> SocketAddr {
        self.addresses.xds
    }

    /// Where its API is, and where reports go.
    pub fn api(&self) -> SocketAddr {
        self.addresses.api
    }

    /// The folder of manifests.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The folder of its database, as its process sees it.
    pub fn disk(&self) -> PathBuf {
        let data = self.data.strip_prefix("/").unwrap_or(&self.data);
        Path::new("/proc").join(self.child.pid().to_string()).join("root").join(data)
    }

    /// The folder of its database.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Writes a manifest, atomically as editors and Git tools do.
    pub fn write(&self, name: &str, yaml: &str) -> Result<()> {
        let new = self.folder.path().join(format!("{name}.new"));
        std::fs::write(&new, yaml)?;
        std::fs::rename(&new, self.config.join(name)).with_context(|| format!("writing {name}"))
    }

    /// Removes a manifest.
    pub fn remove(&self, name: &str) -> Result<()> {
        std::fs::remove_file(self.config.join(name)).with_context(|| format!("removing {name}"))
    }

    /// From its next start on, this stands in its environment; none: it does no more.
    pub fn set_env(&mut self, name: &str, value: Option<&str>) {
        self.env.retain(|(known, _)| known != name);
        self.env.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// SIGTERM; waits until it is gone.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.child.stop(Duration::from_secs(15)).await
    }

    /// Starts it again with the same folders at the same addresses, after it was stopped or killed.
    pub async fn restart(&mut self) -> Result<()> {
        self.child.kill();
        let (child, addresses) =
            spawn(self.folder.path(), &self.config, &self.data, self.addresses, &self.args, &self.env, self.disk).await?;
        self.child = child;
        self.addresses = addresses;
        Ok(())
    }

    /// GET from the API, as it comes.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        Client::new(self.api()).get(path).await
    }

    /// GET from the API, parsed. An error for any status but 200.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let reply = self.get(path).await?;
        if reply.status != 200 {
            bail!("GET {path}: {} {}", reply.status, reply.text());
        }
        reply.json()
    }

    /// One Rollout (`shop/checkout`) as `GET /v1/rollouts/<namespace>/<name>` shows it.
    pub async fn rollout(&self, id: &str) -> Result<Value> {
        self.get_json(&format!("/v1/rollouts/{id}")).await
    }

    /// Waits until a Rollout's view fulfils a condition; the error shows the last view.
    pub async fn until_rollout(&self, what: &str, id: &str, deadline: Duration, condition: impl Fn(&Value) -> bool) -> Result<Value> {
        let last = std::sync::Mutex::new(Value::Null);
        let waited = until(what, deadline, || async {
            let Ok(view) = self.rollout(id).await else { return false };
            let holds = condition(&view);
            *last.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = view;
            holds
        });
        let outcome = waited.await;
        let last = last.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        outcome.with_context(|| format!("last view of {id}: {last:#}\n{}", self.child.log_tail(20)))?;
        Ok(last)
    }

    /// Runs the command line against it: `shunt --server http://<api> <args>`, over TLS when it was started with `--tls`; whatever its
    /// exit code.
    pub async fn cli(&self, args: &[&str]) -> Result<Output> {
        let tls = self.args.iter().position(|arg| arg == "--tls").and_then(|at| self.args.get(at + 1));
        let reach = match tls {
            Some(folder) => {
                ["--server".to_owned(), format!("https://{}", self.api()), "--ca".to_owned(), format!("{folder}/ca.pem")].to_vec()
            }
            None => ["--server".to_owned(), format!("http://{}", self.api())].to_vec(),
        };
        let output = tokio::process::Command::new(locate::shunt()?).args(reach).args(args).kill_on_drop(true).output();
        tokio::time::timeout(Duration::from_secs(120), output)
            .await
            .with_context(|| format!("shunt {args:?} does not end"))?
            .context("running shunt")
    }

    /// Runs the command line and gives its standard output; an error when its exit code is not 0.
    pub async fn cli_ok(&self, args: &[&str]) -> Result<String> {
        let output = self.cli(args).await?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            bail!("shunt {} ended with {}\n{out}{err}", args.join(" "), output.status);
        }
        Ok(out.into_owned())
    }

    /// The bootstrap that `shunt envoy-bootstrap --node N` prints, with further arguments.
    pub async fn bootstrap(&self, node: &str, args: &[&str]) -> Result<String> {
        let mut all = vec!["envoy-bootstrap".to_owned(), "--node".to_owned(), node.to_owned()];
        all.extend(["--xds".to_owned(), self.xds().to_string(), "--api".to_owned(), self.api().to_string()]);
        all.extend(args.iter().map(|&arg| arg.to_owned()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        self.cli_ok(&all).await
    }
}

async fn spawn(
    folder: &Path,
    config: &Path,
    data: &Path,
    at: Addresses,
    args: &[String],
    env: &[(String, String)],
    disk: Option<u64>,
) -> Result<(Child, Addresses)> {
    let shunt = locate::shunt()?;
    let spec = match disk {
        None => Spec::new("shunt", shunt, folder),
        Some(size) => Spec::new("shunt", PathBuf::from("unshare"), folder)
            .args(["-m", "sh", "-c", r#"mount -t tmpfs -o "size=$1" shunt "$2" && shift 2 && exec "$@""#, "sh"])
            .args([size.to_string()])
            .arg(data)
            .arg(shunt),
    };
    let mut spec = spec
        .arg("serve")
        .arg("--config")
        .arg(config)
        .arg("--data")
        .arg(data)
        .args(["--xds-listen", &at.xds.to_string(), "--api-listen", &at.api.to_string()])
        .args(args);
    spec.env.extend_from_slice(env);
    let child = Child::spawn(&spec)?;
    let line = child.first_line(Duration::from_secs(15)).await?;
    let addresses = serde_json::from_str(&line).with_context(|| format!("shunt serve printed {line:?}"))?;
    Ok((child, addresses))
}
