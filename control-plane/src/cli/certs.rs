//! `shunt certs`: certificates for the control plane and the proxies, from an authority of one's own.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde::Serialize;
use shunt_spec::Span;
use shunt_xds::bootstrap::secrets;

use super::console::Console;
use super::exit::Exit;
use crate::tls::{Access, Authority, Folder, Subject, ca_key, note, publish, revoke, write};

const EXAMPLES: &str = "Examples:
  shunt certs init --host control.internal --host 10.0.0.5
  shunt certs proxy edge-1
  shunt certs revoke edge-1
  shunt serve --config ./rollouts --tls ./certs --xds-listen 0.0.0.0:18000 --api-listen 0.0.0.0:18080
  shunt envoy-bootstrap --node edge-1 --tls ./certs --xds control.internal:18000 --api control.internal:18080 > edge.yaml

A proxy's machine needs only its own folder (./certs/proxies/edge-1), at the path that the bootstrap names. The authority's key
(./certs.authority/ca.key) makes certificates for any proxy: keep it on another machine, or with another user. Running the same command again renews a certificate; server and Envoy notice.";

/// Certificates.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CertsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make an authority, if there is none, and the control plane's certificate
    Init(InitArgs),
    /// Make the certificate of one proxy, and Envoy's secrets files that name it
    Proxy(ProxyArgs),
    /// Revoke all certificates of one proxy: it is let in no longer
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct InitArgs {
    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    shared: Shared,

    /// Names and addresses that proxies and people reach the control plane by
    #[arg(long = "host", value_name = "NAME|IP", default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()])]
    hosts: Vec<String>,
}

#[derive(Debug, Args)]
struct ProxyArgs {
    /// Its node id, as in `shunt envoy-bootstrap --node`
    #[arg(value_name = "NODE")]
    node: String,

    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    shared: Shared,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// Its node id
    #[arg(value_name = "NODE")]
    node: String,

    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Place {
    /// Folder of the certificates
    #[arg(long, value_name = "DIR", default_value = "./certs")]
    dir: PathBuf,

    /// Folder of the authority's key, which `shunt serve` never needs [default: the folder's name with `.authority` after it, beside it]
    #[arg(long, value_name = "DIR")]
    authority: Option<PathBuf>,
}

impl Place {
    fn ca_key(&self) -> PathBuf {
        ca_key(&self.authority.clone().unwrap_or_else(|| Folder::new(&self.dir).authority()))
    }

    fn authority(&self) -> anyhow::Result<Authority> {
        let path = self.ca_key();
        let pem = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "{}: the authority's key is needed to make certificates: name its folder with --authority, or make a new authority with `shunt certs init` in an empty folder",
                path.display()
            )
        })?;
        Authority::from_key(&pem).with_context(|| path.display().to_string())
    }
}

#[derive(Debug, Args)]
struct Shared {
    /// How long the certificate is valid
    #[arg(long, value_name = "DURATION", default_value = "365d")]
    valid: Span,
}

/// What was written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    files: Vec<PathBuf>,
    next: String,
}

/// `shunt certs`
pub(crate) fn run(args: &CertsArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let made = match &args.verb {
        Verb::Init(args) => init(args, now)?,
        Verb::Proxy(args) => proxy(args, now)?,
        Verb::Revoke(args) => withdraw(args, now)?,
    };
    console.show(&made, |_| {
        let files = made.files.iter().map(|file| format!("wrote {}", file.display()));
        files.chain([made.next.clone()]).collect()
    })?;
    Ok(Exit::Done)
}

fn init(args: &InitArgs, now: Duration) -> anyhow::Result<Made> {
    let folder = Folder::new(&args.place.dir);
    let mut files = Vec::new();
    let authority = if folder.ca().exists() {
        args.place.authority()?
    } else {
        let key = args.place.ca_key();
        if key.exists() {
            bail!("{}: this is the key of another authority, and a new one would take its place: move it away first", key.display());
        }
        let (authority, pair) = Authority::new(now)?;
        write(&args.place.ca_key(), &pair.key, Access::Private)?;
        write(&folder.ca(), &pair.certificate, Access::Public)?;
        files.extend([folder.ca(), args.place.ca_key()]);
        authority
    };
    let pair = authority.issue(Subject::Server(&args.hosts), now, Duration::from_millis(args.shared.valid.0))?;
    // The key first: a server that reads in between sees a pair that does not fit, says so, and reads again.
    write(&folder.server_key(), &pair.key, Access::Private)?;
    write(&folder.server(), &pair.certificate, Access::Public)?;
    publish(&folder, &authority, now)?;
    files.extend([folder.server(), folder.server_key(), folder.revoked()]);
    let dir = folder.path().display();
    Ok(Made {
        files,
        next: format!(
            "Next: `shunt certs proxy NODE --dir {dir}` for each proxy, `shunt serve --tls {dir}`, and `--ca {}` for the other commands",
            folder.ca().display()
        ),
    })
}

fn proxy(args: &ProxyArgs, now: Duration) -> anyhow::Result<Made> {
    if args.node.is_empty() || args.node.chars().any(char::is_control) {
        bail!("a node id has printable characters, and at least one");
    }
    // Envoy reads these files where it runs, whatever its working folder.
    let folder = Folder::new(&std::path::absolute(&args.place.dir)?);
    let valid = Duration::from_millis(args.shared.valid.0);
    let pair = args.place.authority()?.issue(Subject::Proxy(&args.node), now, valid)?;
    note(&folder, &args.node, &pair, now.saturating_add(valid))?;
    let own = folder.proxy(&args.node);
    let (certificate, key, ca) = (own.join("cert.pem"), own.join("key.pem"), own.join("ca.pem"));
    let trusted = std::fs::read_to_string(folder.ca()).with_context(|| folder.ca().display().to_string())?;
    write(&ca, &trusted, Access::Public)?;
    write(&key, &pair.key, Access::Private)?;
    write(&certificate, &pair.certificate, Access::Public)?;
    let text = |path: &std::path::Path| path.display().to_string();
    let (paths, texts) = (folder.secrets(&args.node), secrets(&text(&own), &text(&certificate), &text(&key), &text(&ca)));
    write(&paths.own, &texts.own, Access::Public)?;
    write(&paths.ca, &texts.ca, Access::Public)?;
    let next = format!("Next: `shunt envoy-bootstrap --node {} --tls {}`", args.node, folder.path().display());
    Ok(Made { files: vec![ca, certificate, key, paths.own, paths.ca], next })
}

fn withdraw(args: &RevokeArgs, now: Duration) -> anyhow::Result<Made> {
    let folder = Folder::new(&args.place.dir);
    let count = revoke(&folder, &args.place.authority()?, &args.node, now)?;
    let next = format!(
        "{count} revoked. `shunt serve --tls {}` refuses new connections within a second; restart it to end those that are open",
        folder.path().display()
    );
    Ok(Made { files: vec![folder.revoked()], next })
}
