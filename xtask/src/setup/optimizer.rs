//! Binaryen's `wasm-opt`, which makes the module a third smaller. The only part that may be missing.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::place;
use crate::run::{Run, say};
use crate::setup::apt;

/// Of the npm package.
const VERSION: &str = "132.0.0";

/// From `PATH`, the cache, Debian, or npm.
pub(crate) fn wasm_opt() -> Result<PathBuf> {
    if let Some(path) = place::in_path("wasm-opt") {
        return Ok(path);
    }
    let folder = place::cache()?.join("binaryen").join(VERSION);
    let cached = folder.join("node_modules/.bin/wasm-opt");
    if cached.is_file() {
        return Ok(cached);
    }
    if apt(&["binaryen"]).is_ok()
        && let Some(path) = place::in_path("wasm-opt")
    {
        return Ok(path);
    }
    let npm = place::in_path("npm").context("neither Debian's binaryen nor npm is to be had")?;
    say(format_args!("installing wasm-opt {VERSION} from npm"));
    std::fs::create_dir_all(&folder)?;
    Run::new(npm).args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(format!("binaryen@{VERSION}")).quiet()?;
    if cached.is_file() { Ok(cached) } else { anyhow::bail!("the npm package binaryen has no wasm-opt") }
}
