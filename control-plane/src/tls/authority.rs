//! A certificate authority of one's own: one key that signs the control plane's certificate and those of the proxies.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use shunt_core::identity::proxy_uri;

/// How long the authority lasts.
const CA_LASTS: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

/// Clocks of other machines may be behind.
const SLACK: Duration = Duration::from_secs(3_600);

/// A key and what it signed last.
#[derive(Debug)]
pub(crate) struct Authority {
    key: KeyPair,
}

/// Whose certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// The control plane, reached by these names and addresses.
    Server(&'a [String]),
    /// The proxy with this node id.
    Proxy(&'a str),
}

/// A certificate and its key, PEM.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// The certificate.
    pub(crate) certificate: String,
    /// Its private key.
    pub(crate) key: String,
}

impl Authority {
    /// A new one, with its certificate. `now`: since 1970.
    pub(crate) fn new(now: Duration) -> anyhow::Result<(Self, Pair)> {
        let key = KeyPair::generate()?;
        let mut params = ca();
        last(&mut params, now, CA_LASTS);
        let certificate = params.self_signed(&key)?.pem();
        let pair = Pair { certificate, key: key.serialize_pem() };
        Ok((Self { key }, pair))
    }

    /// The one with this key, PEM.
    pub(crate) fn from_key(pem: &str) -> anyhow::Result<Self> {
        Ok(Self { key: KeyPair::from_pem(pem).context("not a private key")? })
    }

    /// A new key with a certificate that is valid from `now` on for so long.
    pub(crate) fn issue(&self, subject: Subject<'_>, now: Duration, lasts: Duration) -> anyhow::Result<Pair> {
        let mut params = CertificateParams::default();
        last(&mut params, now, lasts);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        match subject {
            Subject::Server(hosts) => {
                params.distinguished_name.push(DnType::CommonName, "shunt control plane");
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                params.subject_alt_names = hosts.iter().map(|host| host_name(host)).collect::<anyhow::Result<_>>()?;
            }
            Subject::Proxy(node) => {
                // The name is for people; who it is stands in the URI.
                params.distinguished_name.push(DnType::CommonName, "shunt proxy");
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
                params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(proxy_uri(node))?)];
            }
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &Issuer::from_params(&ca(), &self.key))?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }
}

/// The same name every time, so that the key alone is enough to sign with.
fn ca() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "shunt CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn host_name(host: &str) -> anyhow::Result<SanType> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '*');
    if host.is_empty() || !host.chars().all(fits) {
        bail!("{host:?} is not a host name or IP address; without port and scheme, for example control.internal");
    }
    Ok(SanType::DnsName(Ia5String::try_from(host.to_owned())?))
}

fn last(params: &mut CertificateParams, now: Duration, lasts: Duration) {
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(SLACK);
    params.not_after = epoch + now.saturating_add(lasts);
}
