//! The filter's module: embedded at build time, or a file for developers of the filter.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
const EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/filter.wasm"));

/// The embedded module; none when this program was built without it.
pub(crate) const SHUNT_MODULE: Option<&[u8]> = if EMBEDDED.is_empty() { None } else { Some(EMBEDDED) };

/// What every WebAssembly module starts with.
const MAGIC: &[u8] = b"\0asm";

/// The bytes that are pushed to proxies. Errors when this program was built without them, or the file is no module.
pub(crate) fn load(instead: Option<&Path>) -> Result<Arc<[u8]>> {
    match instead {
        None => SHUNT_MODULE.map(Arc::from).context("built without the filter: run cargo xtask build"),
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("filter {}", path.display()))?;
            if !bytes.starts_with(MAGIC) {
                bail!("filter {}: not a WebAssembly module", path.display());
            }
            Ok(bytes.into())
        }
    }
}
