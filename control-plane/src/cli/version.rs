//! `shunt version`: what this binary is, and which filter it brings along.

use clap::Args;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::console::Console;
use super::exit::Exit;
use super::text::count;

/// Nothing to choose.
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {}

/// What is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: &'static str,
    filter: Option<Module>,
}

/// The embedded filter.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Module {
    sha256: String,
    bytes: usize,
}

/// `shunt version`; none: built without the filter.
pub(crate) fn run(module: Option<&[u8]>, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let filter = module.map(|bytes| Module { sha256: format!("{:x}", Sha256::digest(bytes)), bytes: bytes.len() });
    let version = Version { version: env!("CARGO_PKG_VERSION"), filter };
    console.show(&version, |_| {
        let filter = match &version.filter {
            Some(module) => format!("filter sha256:{} ({} bytes)", module.sha256, count(module.bytes as u64)),
            None => "built without the filter: run cargo xtask build".to_owned(),
        };
        vec![format!("shunt {}", version.version), filter]
    })?;
    Ok(Exit::Done)
}
