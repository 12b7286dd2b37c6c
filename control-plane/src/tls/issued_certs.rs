//! Which certificates of proxies an authority made, beside its key: a certificate is revoked by its number, and the one in a proxy's
//! folder may not be the only one that is still valid.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use shunt_core::identity::proxy_uri;

use super::authority::{Authority, Pair, Revoked};
use super::folder::{Access, Folder, write};

/// One certificate: a line of four words, `-` for not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Issued {
    serial: Vec<u8>,
    /// `spiffe://shunt/proxy/NODE`: has no spaces.
    uri: String,
    /// Seconds since 1970.
    expires: u64,
    /// Seconds since 1970.
    revoked: Option<u64>,
}

/// A certificate was made for this node.
pub(crate) fn note(folder: &Folder, node: &str, pair: &Pair, expires: Duration) -> anyhow::Result<()> {
    let mut all = read(folder)?;
    all.push(Issued { serial: pair.serial.clone(), uri: proxy_uri(node), expires: expires.as_secs(), revoked: None });
    keep(folder, &all)
}

/// Revokes all certificates of a node that are still valid; how many. Refused when there are none.
pub(crate) fn revoke(folder: &Folder, authority: &Authority, node: &str, now: Duration) -> anyhow::Result<usize> {
    let (mut all, uri) = (read(folder)?, proxy_uri(node));
    let meant = |one: &&mut Issued| one.uri == uri && one.revoked.is_none() && one.expires > now.as_secs();
    let revoked = all.iter_mut().filter(meant).map(|one| one.revoked = Some(now.as_secs())).count();
    if revoked == 0 {
        bail!("{}: no valid certificate of {node}, nothing to revoke", folder.issued().display());
    }
    keep(folder, &all)?;
    publish(folder, authority, now)?;
    Ok(revoked)
}

/// Writes the revocation list as it is now, also an empty one.
pub(crate) fn publish(folder: &Folder, authority: &Authority, now: Duration) -> anyhow::Result<()> {
    let all = read(folder)?;
    let revoked = all.iter().filter(|one| one.expires > now.as_secs());
    let revoked = revoked.filter_map(|one| Some(Revoked { serial: one.serial.clone(), at: Duration::from_secs(one.revoked?) }));
    write(&folder.revoked(), &authority.revocation_list(revoked, now)?, Access::Public)
}

fn read(folder: &Folder) -> anyhow::Result<Vec<Issued>> {
    let path = folder.issued();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let all: Option<Vec<Issued>> = text.lines().map(line).collect();
    all.with_context(|| {
        format!("{} is damaged: each line is a number, a node's URI, when it expires, and when it was revoked or -", path.display())
    })
}

fn line(text: &str) -> Option<Issued> {
    let words: Vec<&str> = text.split(' ').collect();
    let [serial, uri, expires, revoked] = words[..] else { return None };
    let bytes = (0..serial.len()).step_by(2).map(|at| u8::from_str_radix(serial.get(at..at + 2)?, 16).ok());
    let revoked = if revoked == "-" { None } else { Some(revoked.parse().ok()?) };
    Some(Issued { serial: bytes.collect::<Option<_>>()?, uri: uri.to_owned(), expires: expires.parse().ok()?, revoked })
}

fn keep(folder: &Folder, all: &[Issued]) -> anyhow::Result<()> {
    let mut text = String::new();
    for Issued { serial, uri, expires, revoked } in all {
        serial.iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
        let revoked = revoked.map_or_else(|| "-".to_owned(), |at| at.to_string());
        writeln!(text, " {uri} {expires} {revoked}")?;
    }
    write(&folder.issued(), &text, Access::Public)
}
