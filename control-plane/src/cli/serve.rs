//! `shunt serve`: the control plane.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

const EXAMPLES: &str = "Prints one line of JSON with its addresses when it is ready; the log goes to stderr, RUST_LOG chooses what.
SIGTERM ends it in order; it may be killed at any moment: the next start goes on where it was.

Examples:
  shunt serve --config ./rollouts
  shunt serve --config ./rollouts --data /var/lib/shunt --xds-listen 127.0.0.1:0 --api-listen 127.0.0.1:0";

/// What the control plane is started with.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Folder with the manifests (*.yaml, *.yml): Rollouts and at most one MeshPolicy. It is watched.
    #[arg(long, value_name = "DIR")]
    pub(crate) config: PathBuf,

    /// Folder for state and journal; made when missing [default: the config folder's name with `.state` after it, beside it]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Where Envoys connect (xDS over gRPC). Loopback only, as long as there is no TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:18000", value_parser = loopback)]
    pub(crate) xds_listen: SocketAddr,

    /// Where the API listens (HTTP: commands, reports of the filters, metrics). Loopback only, as long as there is no TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:18080", value_parser = loopback)]
    pub(crate) api_listen: SocketAddr,

    /// Push this module instead of the built-in one, for whoever works on the filter
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) filter: Option<PathBuf>,
}

impl ServeArgs {
    /// The folder for state: as given, or beside the config folder (never in it: its files are watched and versioned).
    pub(crate) fn data(&self) -> PathBuf {
        let whole = || self.config.canonicalize().or_else(|_| std::path::absolute(&self.config)).unwrap_or_else(|_| self.config.clone());
        self.data.clone().unwrap_or_else(|| beside(&whole()))
    }
}

fn beside(config: &Path) -> PathBuf {
    let config: PathBuf = config.components().collect();
    match config.file_name() {
        Some(name) => {
            let mut name = name.to_owned();
            name.push(".state");
            config.with_file_name(name)
        }
        None => config.join("shunt.state"),
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| format!("{text:?} is not an address: write for example 127.0.0.1:18000"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "{address} can be reached from outside and there is no TLS yet: use 127.0.0.1:{port} or [::1]:{port}, \
             and a tunnel or a proxy that authenticates for others",
            port = address.port()
        ))
    }
}
