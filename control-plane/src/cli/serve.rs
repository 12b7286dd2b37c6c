//! `shunt serve`: the control plane.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use shunt_spec::Span;

use crate::tls::{Folder, TlsFiles, ca_key};

const EXAMPLES: &str = "Prints one line of JSON with its addresses when it is ready; the log goes to stderr, RUST_LOG chooses what.
SIGTERM ends it in order; it may be killed at any moment: the next start goes on where it was.

Examples:
  shunt serve --config ./rollouts
  shunt serve --config ./rollouts --data /var/lib/shunt --xds-listen 127.0.0.1:0 --api-listen 127.0.0.1:0
  shunt serve --config ./rollouts --tls ./certs --xds-listen 0.0.0.0:18000 --api-listen 0.0.0.0:18080";

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

    /// How long a manifest must be missing, while the folder holds others, before its Rollout ends. An empty folder ends none: see
    /// `shunt delete`.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub(crate) removal_delay: Span,

    /// The store is empty and should be, although proxies run what another one published: the versions that manifests name are
    /// stable at once, whatever users have now. For one start; `shunt recover` keeps users where they are.
    #[arg(long)]
    pub(crate) accept_empty_state: bool,

    /// Where Envoys connect (xDS over gRPC). Other than loopback only with TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:18000", value_parser = address)]
    pub(crate) xds_listen: SocketAddr,

    /// Where the API listens (HTTP: commands, reports of the filters, metrics). Other than loopback only with TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:18080", value_parser = address)]
    pub(crate) api_listen: SocketAddr,

    /// Folder as written by `shunt certs init`: TLS for both, and proxies must show certificates. Read again when they change.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["tls_cert", "tls_key", "client_ca", "client_crl"])]
    tls: Option<PathBuf>,

    /// Certificate of this server, with what is between it and its authority (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Authority whose certificates proxies show (PEM); each names its node: URI spiffe://shunt/proxy/NODE, or host NODE
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,

    /// Which certificates of proxies count no longer: lists of that authority (PEM, RFC 5280)
    #[arg(long, value_name = "FILE", requires = "client_ca")]
    client_crl: Option<PathBuf>,

    /// Push this module instead of the built-in one, for developers of the filter
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) filter: Option<PathBuf>,
}

impl ServeArgs {
    /// The folder for state: as given, or beside the config folder (never in it: its files are watched and versioned).
    pub(crate) fn data(&self) -> PathBuf {
        let whole = || self.config.canonicalize().or_else(|_| std::path::absolute(&self.config)).unwrap_or_else(|_| self.config.clone());
        self.data.clone().unwrap_or_else(|| beside(&whole()))
    }

    /// Where certificates and keys are; none: no TLS.
    pub(crate) fn tls(&self) -> Option<TlsFiles> {
        match (&self.tls, &self.tls_cert, &self.tls_key) {
            (Some(folder), _, _) => Some(TlsFiles::of(&Folder::new(folder))),
            (None, Some(certificate), Some(key)) => {
                let (client_ca, client_crl) = (self.client_ca.clone(), self.client_crl.clone());
                Some(TlsFiles { certificate: certificate.clone(), key: key.clone(), client_ca, client_crl })
            }
            (None, _, _) => None,
        }
    }
}

impl ServeArgs {
    /// Programs that the control plane starts have its user, and read what it reads: the key that makes certificates must not be there.
    ///
    /// # Errors
    /// When it lies beside the control plane's own key.
    pub(crate) fn check_authority(&self) -> anyhow::Result<()> {
        let Some(folder) = self.tls().and_then(|files| Some(files.key.parent()?.to_owned())) else { return Ok(()) };
        let away = Folder::new(&folder).authority();
        let (inside, beside) = (ca_key(&folder), ca_key(&away));
        if inside.exists() {
            anyhow::bail!(
                "{}: this key makes certificates for any proxy, and every program that the control plane starts could read it here. It is never needed to serve: `mkdir -m 700 {} && mv {} {}`, better on another machine",
                inside.display(),
                away.display(),
                inside.display(),
                beside.display()
            );
        }
        if std::fs::File::open(&beside).is_ok() {
            tracing::warn!(
                "{} can be read by programs that the control plane starts (`command`), and makes certificates for any proxy: keep it on another machine, or with another user",
                beside.display()
            );
        }
        Ok(())
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

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an address: write for example 127.0.0.1:18000"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ServeArgs,
    }

    #[test]
    fn the_key_of_the_authority_is_not_served_from() {
        let dir = tempfile::tempdir().unwrap();
        let tls = dir.path().join("certs");
        std::fs::create_dir(&tls).unwrap();
        let args = || Line::parse_from(["serve", "--config", ".", "--tls", tls.to_str().unwrap()]).args;
        args().check_authority().unwrap();
        std::fs::write(tls.join("ca.key"), "key").unwrap();
        let error = args().check_authority().unwrap_err().to_string();
        assert!(error.contains("certs/ca.key: this key makes certificates") && error.contains("certs.authority"), "{error}");
        // Where `shunt certs` writes it.
        std::fs::create_dir(Folder::new(&tls).authority()).unwrap();
        std::fs::rename(tls.join("ca.key"), ca_key(&Folder::new(&tls).authority())).unwrap();
        args().check_authority().unwrap();
    }
}
