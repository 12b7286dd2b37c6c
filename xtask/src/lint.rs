//! `cargo xtask lint`: format, clippy for both targets, documentation, `cargo deny`.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::build;
use crate::run::{Run, say, skip};
use crate::setup::wasm::{TARGET, Toolchain};
use crate::setup::{self, apt, linters};

/// What is looked at, and how.
type Part = (&'static str, fn() -> Result<()>);

pub(crate) fn lint(args: &[String]) -> Result<()> {
    if !args.is_empty() {
        bail!("lint takes no arguments");
    }
    let parts: [Part; 5] =
        [("format", format), ("clippy", clippy), ("clippy for wasm", clippy_wasm), ("documentation", documentation), ("cargo deny", deny)];
    let mut failed = Vec::new();
    for (name, part) in parts {
        let start = Instant::now();
        match part() {
            Ok(()) => say(format_args!("{name}: {} s", start.elapsed().as_secs())),
            Err(error) => {
                say(format_args!("{name}: {error:#}"));
                failed.push(name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("not clean: {}", failed.join(", ")) }
}

/// True when the toolchain has this cargo command.
fn has(command: &str) -> bool {
    Run::cargo().args([command, "--version"]).quiet().is_ok()
}

fn format() -> Result<()> {
    if !has("fmt") {
        return skip("format", "the toolchain has no rustfmt; run: rustup component add rustfmt");
    }
    Run::cargo().args(["fmt", "--all", "--check"]).show().context("run: cargo fmt --all")
}

fn clippy() -> Result<()> {
    if !has("clippy") {
        return skip("clippy", "the toolchain has no clippy; run: rustup component add clippy");
    }
    let clippy = |run: Run| run.args(["--all-targets", "--", "-D", "warnings"]).show();
    clippy(Run::cargo().args(["clippy", "--package", "xtask"]))?;
    clippy(build::natives(Run::cargo().arg("clippy")))
}

fn clippy_wasm() -> Result<()> {
    let toolchain = setup::wasm::toolchain()?;
    let packages = build::MODULES.iter().flat_map(|package| ["--package", package]);
    match &toolchain {
        Toolchain::Rustup if !has("clippy") => skip("clippy for wasm", "the toolchain has no clippy; run: rustup component add clippy"),
        Toolchain::Rustup => Run::cargo().args(["clippy", "--target", TARGET]).args(packages).args(["--", "-D", "warnings"]).show(),
        Toolchain::Debian { .. } => match debian_clippy() {
            // `cargo clippy` would call rustup's; the wrapper is what it does.
            Ok(driver) => {
                let (check, _) = toolchain.cargo("check", "dev");
                check
                    .args(packages)
                    .env("RUSTC_WORKSPACE_WRAPPER", driver)
                    .env("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__")
                    .show()
            }
            Err(error) => {
                say(format_args!("left out: clippy for wasm: {error:#}"));
                Ok(())
            }
        },
    }
}

/// Debian's clippy, which belongs to the compiler that builds the module there.
fn debian_clippy() -> Result<&'static str> {
    const DRIVER: &str = "/usr/bin/clippy-driver";
    if !std::path::Path::new(DRIVER).is_file() {
        apt(&["rust-web-clippy"])?;
    }
    if std::path::Path::new(DRIVER).is_file() { Ok(DRIVER) } else { bail!("Debian's rust-web-clippy has no {DRIVER}") }
}

fn documentation() -> Result<()> {
    Run::cargo().args(["doc", "--workspace", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "-D warnings").show()
}

fn deny() -> Result<()> {
    let deny = match linters::cargo_deny() {
        Ok(path) => path,
        Err(error) => return skip("cargo deny", &format!("{error:#}")),
    };
    let check = |what: &[&str]| Run::new(&deny).args(["--all-features", "check", "--hide-inclusion-graph"]).args(what);
    check(&["bans", "licenses", "sources"]).show()?;
    // Not an error in CI either: whether the database can be had is not this repository's doing.
    match Run::new(&deny).args(["fetch", "db"]).quiet() {
        Ok(_) => check(&["--disable-fetch", "advisories"]).show(),
        Err(error) => {
            let why = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
            say(format_args!("left out: advisories: their database cannot be had ({why})"));
            Ok(())
        }
    }
}
