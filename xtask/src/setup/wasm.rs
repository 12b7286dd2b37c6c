//! How to compile for `wasm32-unknown-unknown`: rustup's target, or Debian's rustc with the standard library built from source.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::place;
use crate::run::{Run, say};
use crate::setup::apt;

/// The target's name.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A way to compile for wasm32.
#[derive(Debug, Clone)]
pub(crate) enum Toolchain {
    /// The running toolchain has the target.
    Rustup,
    /// Debian's `rustc-web` and `rust-web-src`.
    Debian {
        /// What links.
        linker: PathBuf,
    },
}

/// Debian's compiler, whatever stands first in `PATH`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// Finds or installs one, in this order: target present, `rustup target add`, Debian's packages. `SHUNT_WASM` allows only one way.
pub(crate) fn toolchain() -> Result<Toolchain> {
    match std::env::var("SHUNT_WASM").as_deref() {
        Ok("rustup") => rustup(),
        Ok("debian") => debian(),
        Ok(other) if !other.is_empty() => bail!("SHUNT_WASM is {other:?}; it can be rustup or debian"),
        _ => rustup().or_else(|first| {
            debian().map_err(|second| {
                anyhow::anyhow!(
                    "Rust cannot compile for {TARGET} here.\n  with rustup: {first:#}\n  with Debian's packages: {second:#}\n\
                     Run: rustup target add {TARGET}    or, as root: apt-get install rustc-web rust-web-src"
                )
            })
        }),
    }
}

fn rustup() -> Result<Toolchain> {
    if sysroot()?.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return Ok(Toolchain::Rustup);
    }
    let rustup = place::in_path("rustup").context("there is no rustup")?;
    say(format_args!("rustup target add {TARGET}"));
    Run::new(rustup).args(["target", "add", TARGET]).quiet()?;
    Ok(Toolchain::Rustup)
}

fn debian() -> Result<Toolchain> {
    if !Path::new(DEBIAN_RUSTC).is_file() || !Path::new(DEBIAN_SOURCE).is_file() {
        apt(&["rustc-web", "rust-web-src"])?;
    }
    if !Path::new(DEBIAN_SOURCE).is_file() {
        bail!("Debian's rust-web-src has no {DEBIAN_SOURCE}");
    }
    Ok(Toolchain::Debian { linker: linker()? })
}

/// rustup's `rust-lld`, else LLVM's `wasm-ld`.
fn linker() -> Result<PathBuf> {
    let lld = sysroot()?.join("lib/rustlib").join(host()?).join("bin/rust-lld");
    if lld.is_file() {
        return Ok(lld);
    }
    if place::in_path("wasm-ld").is_none() {
        apt(&["lld"])?;
    }
    place::in_path("wasm-ld").context("neither rust-lld nor wasm-ld is to be had")
}

fn rustc() -> OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

fn sysroot() -> Result<PathBuf> {
    Ok(Run::new(rustc()).args(["--print", "sysroot"]).quiet()?.trim().into())
}

/// The triple of this machine.
pub(crate) fn host() -> Result<String> {
    let text = Run::new(rustc()).arg("-vV").quiet()?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc does not say its host")
}

impl Toolchain {
    /// A cargo command for wasm32: `verb` with what this way needs, and the folder where the results are.
    pub(crate) fn cargo(&self, verb: &str, profile: &str) -> (Run, PathBuf) {
        let run = Run::cargo().arg(verb).args(["--target", TARGET, "--profile", profile]);
        match self {
            Self::Rustup => (run, place::target().join(TARGET).join(profile)),
            Self::Debian { linker } => {
                // A folder of its own: build scripts and macros are compiled by another rustc there.
                let target = place::target().join("debian");
                let run = run.args(["-Z", "build-std=std,panic_abort", "--target-dir"]).arg(&target);
                let run = run.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC).unset("RUSTUP_TOOLCHAIN");
                (run.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker), target.join(TARGET).join(profile))
            }
        }
    }
}
