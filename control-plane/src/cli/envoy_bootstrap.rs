//! `shunt envoy-bootstrap`: what an Envoy needs to know to get everything else from the control plane.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use shunt_xds::bootstrap::Secrets;
use shunt_xds::{Bootstrap, ProxyTls, bootstrap};

use super::console::Console;
use super::exit::Exit;
use crate::tls::Folder;

const EXAMPLES: &str = "Examples:
  shunt envoy-bootstrap --node edge-1 --listen 127.0.0.1:10000 > edge.yaml && envoy -c edge.yaml
  shunt envoy-bootstrap --node edge-2 --admin 127.0.0.1:9901 --module /opt/shunt/filter.wasm
  shunt envoy-bootstrap --node edge-1 --tls ./certs --xds control.internal:18000 --api control.internal:18080

An Envoy with routes of its own takes only the filter from the control plane: see the folder envoy/own-routes.";

/// About the proxy.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EnvoyBootstrapArgs {
    /// The proxy's node id: its name in `shunt proxies`; every proxy needs its own
    #[arg(long, value_name = "NODE", value_parser = node)]
    node: String,

    /// Where the proxy listens for requests
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:10000")]
    listen: SocketAddr,

    /// Where the control plane serves xDS (`shunt serve --xds-listen`)
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:18000", value_parser = endpoint)]
    xds: String,

    /// Where the control plane takes reports (`shunt serve --api-listen`)
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:18080", value_parser = endpoint)]
    api: String,

    /// Where Envoy's own admin interface listens; port 0: a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    admin: SocketAddr,

    /// The filter's module as a file on the proxy's machine [default: the control plane sends it]
    #[arg(long, value_name = "FILE")]
    module: Option<String>,

    /// Subscribe with the state-of-the-world variant of xDS instead of delta
    #[arg(long)]
    state_of_the_world: bool,

    /// Folder as written by `shunt certs`, with the certificate of this node: mutual TLS for xDS and reports
    #[arg(long, value_name = "DIR")]
    tls: Option<PathBuf>,
}

pub(super) fn node(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 512 || text.chars().any(char::is_control) {
        return Err("a node id has 1 to 512 printable bytes".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn endpoint(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is not host:port")),
    }
}

/// `shunt envoy-bootstrap`
pub(crate) fn run(args: &EnvoyBootstrapArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let tls = args.tls.as_deref().map(|folder| secrets(folder, &args.node)).transpose()?;
    let text = bootstrap(&Bootstrap {
        tls,
        node: args.node.clone(),
        listen: args.listen,
        admin: args.admin,
        xds: args.xds.clone(),
        api: args.api.clone(),
        module: args.module.clone(),
        state_of_the_world: args.state_of_the_world,
    });
    console.line(&text)?;
    Ok(Exit::Done)
}

/// The secrets of this node: Envoy reads them where it runs, so their paths should be absolute.
pub(super) fn secrets(folder: &Path, node: &str) -> anyhow::Result<ProxyTls> {
    let Secrets { own, ca } = Folder::new(&std::path::absolute(folder)?).secrets(node);
    if let Some(missing) = [&own, &ca].into_iter().find(|file| !file.is_file()) {
        bail!("{} does not exist: make it with `shunt certs proxy {node} --dir {}`", missing.display(), folder.display());
    }
    Ok(ProxyTls { secrets: Secrets { own: own.display().to_string(), ca: ca.display().to_string() } })
}
