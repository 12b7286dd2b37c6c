//! `cargo deny`, built once into the cache.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::place;
use crate::run::{Run, say};

const VERSION: &str = "0.20.2";

/// The cached one, else built from its source (some minutes).
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let folder = place::cache()?.join("cargo-deny").join(VERSION);
    let binary = folder.join("bin").join("cargo-deny");
    if binary.is_file() {
        return Ok(binary);
    }
    say(format_args!("building cargo-deny {VERSION} (some minutes, once)"));
    let target = place::target().join("cargo-deny");
    // Checking a lock file needs no optimised program, and a plain one is built in a third of the time.
    let install =
        Run::cargo().args(["install", "--locked", "--debug", "--no-track", "--root"]).arg(&folder).arg("--target-dir").arg(&target);
    let built = install.arg(format!("cargo-deny@{VERSION}")).env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0").quiet();
    let _ = std::fs::remove_dir_all(&target);
    built.context("cargo deny could not be built")?;
    Ok(binary)
}
