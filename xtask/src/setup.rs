//! Installs what is missing, at pinned versions, into the cache. Idempotent; each part says what it does in one line.

pub(crate) mod envoy;
pub(crate) mod istio;
pub(crate) mod linters;
pub(crate) mod optimizer;
pub(crate) mod prometheus;
pub(crate) mod wasm;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::run::{Run, say, skip};

/// What there is to work with.
#[derive(Debug)]
pub(crate) struct Tools {
    /// How to compile for wasm32.
    pub(crate) wasm: wasm::Toolchain,
    /// Binaryen's wasm-opt; without it the module is a third larger.
    pub(crate) optimizer: Option<PathBuf>,
    /// The pinned Envoy, or why there is none.
    pub(crate) envoy: Result<PathBuf>,
    /// Istio's CRDs, or why there are none.
    pub(crate) istio: Result<PathBuf>,
    /// Prometheus, or why there is none.
    pub(crate) prometheus: Result<PathBuf>,
}

/// `cargo xtask setup [--linters]`
pub(crate) fn command(args: &[String]) -> Result<()> {
    let linters = match args {
        [] => false,
        [flag] if flag == "--linters" => true,
        _ => bail!("setup takes only --linters"),
    };
    let tools = tools()?;
    if let Err(error) = &tools.envoy {
        skip("everything on a real Envoy", &format!("{error:#}"))?;
    }
    if let Err(error) = &tools.istio {
        skip("the check of istio/ against Istio's CRDs", &format!("{error:#}"))?;
    }
    if let Err(error) = &tools.prometheus {
        skip("the tests of metrics on a real Prometheus", &format!("{error:#}"))?;
    }
    if linters && let Err(error) = linters::cargo_deny() {
        skip("cargo deny", &format!("{error:#}"))?;
    }
    say("set-up is complete");
    Ok(())
}

/// Everything that building, testing and the demo need. An error when nothing could be built.
pub(crate) fn tools() -> Result<Tools> {
    let wasm = wasm::toolchain()?;
    let optimizer = match optimizer::wasm_opt() {
        Ok(path) => Some(path),
        Err(error) => {
            say(format_args!("the module stays as it is, a third larger: no wasm-opt ({error:#})"));
            None
        }
    };
    Ok(Tools { wasm, optimizer, envoy: envoy::envoy(), istio: istio::crds(), prometheus: prometheus::prometheus() })
}

/// Installs Debian packages; an error where that is not possible (not Debian, not root).
pub(super) fn apt(packages: &[&str]) -> Result<()> {
    if crate::place::in_path("apt-get").is_none() {
        bail!("there is no apt-get");
    }
    if !rustix::process::getuid().is_root() {
        bail!("not root; as root: apt-get install {}", packages.join(" "));
    }
    let install = || {
        let flags = ["install", "-y", "-q", "--no-install-recommends"];
        Run::new("apt-get").args(flags).args(packages).env("DEBIAN_FRONTEND", "noninteractive").quiet()
    };
    say(format_args!("installing Debian's {}", packages.join(", ")));
    if install().is_err() {
        // The lists of a fresh image are old or empty.
        Run::new("apt-get").args(["update", "-q"]).quiet()?;
        install()?;
    }
    Ok(())
}
