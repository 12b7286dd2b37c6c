//! Certificates and keys as files, and the configurations made of them: read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;

use super::Folder;

/// Time between two looks at the files.
const POLL: Duration = Duration::from_secs(1);

/// What TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The server's certificate, with what is between it and its authority.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// Authorities whose certificates proxies show; none: no client is asked for one.
    pub(crate) client_ca: Option<PathBuf>,
    /// Which of them count no longer: lists of revoked certificates (RFC 5280); none: all count.
    pub(crate) client_crl: Option<PathBuf>,
}

/// Whether a connection without client certificate is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// Only proxies come here: xDS.
    Proxies,
    /// People come here too, with tokens instead: the API, which takes reports of proxies that showed one.
    AnyClient,
}

/// Configurations for both kinds of listeners.
#[derive(Debug, Clone)]
pub(crate) struct Configs {
    xds: Arc<ServerConfig>,
    api: Arc<ServerConfig>,
}

impl Configs {
    /// The one for this kind.
    pub(super) fn of(&self, client_auth: ClientAuth) -> Arc<ServerConfig> {
        match client_auth {
            ClientAuth::Proxies => self.xds.clone(),
            ClientAuth::AnyClient => self.api.clone(),
        }
    }
}

impl TlsFiles {
    /// Those of a folder as `shunt certs init` writes it.
    pub(crate) fn of(folder: &Folder) -> Self {
        Self { certificate: folder.server(), key: folder.server_key(), client_ca: Some(folder.ca()), client_crl: Some(folder.revoked()) }
    }

    fn read(&self) -> anyhow::Result<Texts> {
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("TLS: {}", path.display()));
        let client_ca = self.client_ca.as_deref().map(read).transpose()?;
        let client_crl = self.client_crl.as_deref().map(read).transpose()?;
        Ok(Texts { certificate: read(&self.certificate)?, key: read(&self.key)?, client_ca, client_crl })
    }
}

/// What the files said.
#[derive(PartialEq, Eq)]
struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
    client_crl: Option<Vec<u8>>,
}

impl Texts {
    fn configs(&self, files: &TlsFiles) -> anyhow::Result<Configs> {
        let config = |client_auth| self.config(files, client_auth).map(Arc::new);
        Ok(Configs { xds: config(ClientAuth::Proxies)?, api: config(ClientAuth::AnyClient)? })
    }

    fn config(&self, files: &TlsFiles, client_auth: ClientAuth) -> anyhow::Result<ServerConfig> {
        let named = |path: &Path| format!("TLS: {}", path.display());
        let chain = certificates(&self.certificate).with_context(|| named(&files.certificate))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).with_context(|| format!("{}: no private key in it", named(&files.key)))?;
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let builder = match (&self.client_ca, &files.client_ca) {
            (Some(text), Some(path)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(text).with_context(|| named(path))? {
                    roots.add(certificate).with_context(|| named(path))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                    .with_crls(self.revoked(files)?)
                    .only_check_end_entity_revocation()
                    // Of one of several authorities there may be no list.
                    .allow_unknown_revocation_status();
                let verifier = match client_auth {
                    ClientAuth::Proxies => verifier,
                    ClientAuth::AnyClient => verifier.allow_unauthenticated(),
                };
                builder.with_client_cert_verifier(verifier.build()?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .with_context(|| format!("TLS: {} and {} do not fit", files.certificate.display(), files.key.display()))?;
        config.alpn_protocols = match client_auth {
            ClientAuth::Proxies => vec![b"h2".to_vec()],
            ClientAuth::AnyClient => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        Ok(config)
    }

    fn revoked(&self, files: &TlsFiles) -> anyhow::Result<Vec<CertificateRevocationListDer<'static>>> {
        let (Some(text), Some(path)) = (&self.client_crl, &files.client_crl) else { return Ok(Vec::new()) };
        let lists = CertificateRevocationListDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
        let lists = lists.with_context(|| format!("TLS: {}", path.display()))?;
        if lists.is_empty() {
            bail!("TLS: {}: no list of revoked certificates in it: it should be PEM", path.display());
        }
        Ok(lists)
    }
}

fn certificates(text: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() {
        bail!("no certificate in it: it should be PEM");
    }
    Ok(all)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Reads the files now, and again whenever one changes; new connections get the new ones. What cannot be used is said once and
/// the last good ones stay in force.
pub(crate) fn watch(files: TlsFiles) -> anyhow::Result<watch::Receiver<Configs>> {
    let mut last = files.read()?;
    let (sender, receiver) = watch::channel(last.configs(&files)?);
    tokio::spawn(async move {
        let mut failing = String::new();
        loop {
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(POLL) => {}
            }
            match renew(&files, &last) {
                Ok(None) => failing.clear(),
                Ok(Some((texts, configs))) => {
                    tracing::info!(certificate = %files.certificate.display(), "certificates were read again");
                    (last, failing) = (texts, String::new());
                    sender.send_replace(configs);
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    if failing != error {
                        tracing::warn!("{error}; the certificates read before stay in force");
                        failing = error;
                    }
                }
            }
        }
    });
    Ok(receiver)
}

fn renew(files: &TlsFiles, last: &Texts) -> anyhow::Result<Option<(Texts, Configs)>> {
    let texts = files.read()?;
    if texts == *last {
        return Ok(None);
    }
    let configs = texts.configs(files)?;
    Ok(Some((texts, configs)))
}
