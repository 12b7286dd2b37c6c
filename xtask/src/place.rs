//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Built modules, under names that do not depend on how they were built.
pub(crate) fn modules() -> PathBuf {
    target().join("module")
}

/// Downloaded and built tools: `SHUNT_CACHE`, else `~/.cache/shunt`.
pub(crate) fn cache() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SHUNT_CACHE") {
        return Ok(root().join(path));
    }
    let home = std::env::var_os("HOME").context("neither SHUNT_CACHE nor HOME is set")?;
    Ok(Path::new(&home).join(".cache").join("shunt"))
}

/// The first program of that name in `PATH`.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// True when a part that cannot run is an error.
pub(crate) fn ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}
