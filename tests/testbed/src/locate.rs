//! Where the programs are that the testbed runs.
//!
//! `cargo xtask` names them by environment variables; without it they are looked for beside the running executable.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The version of Envoy that tests run against.
pub const ENVOY_VERSION: &str = "1.40.0";

/// Envoy: `SHUNT_ENVOY`, else what `cargo xtask setup` put into the cache.
pub fn envoy() -> Result<PathBuf> {
    if let Some(path) = named("SHUNT_ENVOY")? {
        return Ok(path);
    }
    let path = cache()?.join("envoy").join(ENVOY_VERSION).join("envoy");
    found(path, "Envoy")
}

/// Prometheus: `SHUNT_PROMETHEUS`, else what `cargo xtask setup` put into the cache, else the one in `PATH`.
pub fn prometheus() -> Result<PathBuf> {
    if let Some(path) = named("SHUNT_PROMETHEUS")? {
        return Ok(path);
    }
    let cached = cache()?.join("prometheus").join("prometheus");
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&folders).map(|folder| folder.join("prometheus")).find(|path| path.is_file());
    found(installed.unwrap_or(cached), "Prometheus")
}

/// The product's binary `shunt`: `SHUNT_BIN`, else beside the running executable.
pub fn shunt() -> Result<PathBuf> {
    built("SHUNT_BIN", "shunt")
}

/// The sample shop: `SHUNT_SHOP`, else beside the running executable.
pub fn shop() -> Result<PathBuf> {
    built("SHUNT_SHOP", "shunt-shop")
}

/// The launcher that binds a child's life to its starter's: `SHUNT_LEASH`, else beside the running executable.
pub fn leash() -> Result<PathBuf> {
    built("SHUNT_LEASH", "shunt-leash")
}

/// The filter's module: `SHUNT_FILTER_WASM`, else what `cargo xtask build` made last. Not what cargo alone makes, which has no guards.
pub fn filter() -> Result<PathBuf> {
    module("SHUNT_FILTER_WASM", &["module/shunt_filter.wasm"])
}

/// The filter's module that panics when asked by a request header: `SHUNT_FILTER_PANIC_WASM`, else what `cargo xtask test` made.
pub fn panicking_filter() -> Result<PathBuf> {
    module("SHUNT_FILTER_PANIC_WASM", &["module/shunt_filter_panic.wasm"])
}

/// The module that does nothing, for the benchmark: `SHUNT_NOOP_WASM`, else what `cargo xtask bench` made.
pub fn noop() -> Result<PathBuf> {
    module("SHUNT_NOOP_WASM", &["module/shunt_noop.wasm", "wasm32-unknown-unknown/wasm/shunt_noop.wasm"])
}

/// The folder of downloaded and built tools: `SHUNT_CACHE`, else `~/.cache/shunt`.
pub fn cache() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SHUNT_CACHE") {
        return Ok(path.into());
    }
    let home = std::env::var_os("HOME").context("neither SHUNT_CACHE nor HOME is set")?;
    Ok(Path::new(&home).join(".cache").join("shunt"))
}

fn named(variable: &str) -> Result<Option<PathBuf>> {
    match std::env::var_os(variable).map(PathBuf::from) {
        Some(path) if path.is_file() => Ok(Some(path)),
        Some(path) => bail!("{variable} names {}, which is not a file", path.display()),
        None => Ok(None),
    }
}

fn built(variable: &str, name: &str) -> Result<PathBuf> {
    match named(variable)? {
        Some(path) => Ok(path),
        None => found(profile_folder()?.join(name), name),
    }
}

fn module(variable: &str, names: &[&str]) -> Result<PathBuf> {
    if let Some(path) = named(variable)? {
        return Ok(path);
    }
    let target = profile_folder()?.parent().map(Path::to_path_buf).unwrap_or_default();
    let paths: Vec<PathBuf> = names.iter().map(|name| target.join(name)).collect();
    let newest = paths.iter().filter(|path| path.is_file()).max_by_key(|path| path.metadata().and_then(|meta| meta.modified()).ok());
    match newest {
        Some(path) => Ok(path.clone()),
        None => bail!("{variable} is not set and {} does not exist; run: cargo xtask test", paths[0].display()),
    }
}

fn found(path: PathBuf, what: &str) -> Result<PathBuf> {
    if path.is_file() { Ok(path) } else { bail!("{what} is not at {}; run: cargo xtask test", path.display()) }
}

/// `target/debug` for `target/debug/deps/e2e-…` as for `target/debug/shunt-demo`.
fn profile_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("where the running executable is")?;
    let folder = exe.parent().context("the running executable has no folder")?;
    let inner = folder.file_name().is_some_and(|name| name == "deps" || name == "examples");
    Ok(if inner { folder.parent().unwrap_or(folder) } else { folder }.to_path_buf())
}
