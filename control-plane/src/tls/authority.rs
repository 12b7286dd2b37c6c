//! A certificate authority of one's own: one key that signs the control plane's certificate and those of the proxies.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, date_time_ymd,
};
use sha2::{Digest, Sha256};
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
    /// The certificate's number, by which it can be revoked.
    pub(crate) serial: Vec<u8>,
}

/// A certificate that counts no longer.
#[derive(Debug, Clone)]
pub(crate) struct Revoked {
    /// Its number.
    pub(crate) serial: Vec<u8>,
    /// Since when, since 1970.
    pub(crate) at: Duration,
}

impl Authority {
    /// A new one, with its certificate. `now`: since 1970.
    pub(crate) fn new(now: Duration) -> anyhow::Result<(Self, Pair)> {
        let key = KeyPair::generate()?;
        let mut params = ca(&key);
        last(&mut params, now, CA_LASTS);
        let certificate = params.self_signed(&key)?.pem();
        let pair = Pair { certificate, key: key.serialize_pem(), serial: Vec::new() };
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
        let serial = number(&key);
        params.serial_number = Some(serial.clone().into());
        let certificate = params.signed_by(&key, &Issuer::from_params(&ca(&self.key), &self.key))?.pem();
        Ok(Pair { certificate, key: key.serialize_pem(), serial })
    }

    /// The list of revoked certificates (RFC 5280), PEM; a server that trusts this authority trusts it, as long as the authority lasts.
    pub(crate) fn revocation_list(&self, revoked: impl Iterator<Item = Revoked>, now: Duration) -> anyhow::Result<String> {
        let epoch = date_time_ymd(1970, 1, 1);
        let entry = |one: Revoked| RevokedCertParams {
            serial_number: one.serial.into(),
            revocation_time: epoch + one.at,
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: epoch + now.saturating_sub(SLACK),
            next_update: epoch + now.saturating_add(CA_LASTS),
            crl_number: now.as_secs().into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&Issuer::from_params(&ca(&self.key), &self.key))?.pem()?)
    }
}

/// A number for the certificate of a key that no other key has: positive, 16 bytes (RFC 5280 allows 20).
fn number(key: &KeyPair) -> Vec<u8> {
    let digest = Sha256::digest(key.public_key_raw());
    let mut number: Vec<u8> = digest.iter().take(16).copied().collect();
    if let Some(first) = number.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    number
}

/// The same name every time, so that the key alone is enough to sign with; another one for each key, so that during the change from
/// one authority to the next neither is taken for the other.
fn ca(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let digest: String = Sha256::digest(key.public_key_raw()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name.push(DnType::CommonName, format!("shunt CA {digest}"));
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
