//! Builds the modules and the programs, and says by environment variables where they are.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::module::{Exports, module};
use crate::place;
use crate::run::{Run, say};
use crate::setup::{self, Tools};

/// Packages that are built as modules.
pub(crate) const MODULES: [&str; 2] = ["shunt-filter", "shunt-noop"];
/// The one that is built as nothing else: natively, the functions that it imports are missing.
const MODULE_ONLY: &str = "shunt-noop";
/// How programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build.
    Debug,
    /// Quick to run.
    Release,
}

impl Profile {
    pub(crate) fn folder(self) -> PathBuf {
        place::target().join(match self {
            Self::Debug => "debug",
            Self::Release => "release",
        })
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Debug => &[],
            Self::Release => &["--release"],
        }
    }
}

/// `cargo xtask build [--release|--module]`
pub(crate) fn build(args: &[String]) -> Result<()> {
    let profile = match args {
        [] => Some(Profile::Debug),
        [flag] if flag == "--release" => Some(Profile::Release),
        [flag] if flag == "--module" => None,
        _ => bail!("build takes only --release, or --module for the filter's module alone"),
    };
    let tools = setup::tools()?;
    let module = filter(&tools)?;
    let Some(profile) = profile else {
        say(format_args!("{}", module.display()));
        return Ok(());
    };
    Run::cargo().args(["build", "--package", "shunt"]).args(profile.flags()).env("SHUNT_FILTER_WASM", &module).show()?;
    say(format_args!("{}", module.display()));
    say(format_args!("{}", profile.folder().join("shunt").display()));
    Ok(())
}

/// Modules and programs for tests, demo and benchmark, with the variables that name them.
#[derive(Debug)]
pub(crate) struct Built {
    /// For the environment of what runs next.
    pub(crate) env: Vec<(String, OsString)>,
    folder: PathBuf,
}

impl Built {
    /// The path of a built program.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Builds the modules, `shunt`, the testbed's programs and all tests, quick to build.
pub(crate) fn everything(tools: &Tools) -> Result<Built> {
    let env = modules(tools)?;
    // The same selection of packages as `cargo test` has: another one would compile the dependencies again with other features.
    natives(Run::cargo().arg("build")).args(["--bins", "--tests"]).envs(env.iter().cloned()).show()?;
    Ok(named(tools, env, Profile::Debug))
}

/// Builds the modules, `shunt` and the testbed's programs, quick to build.
pub(crate) fn programs(tools: &Tools) -> Result<Built> {
    let env = modules(tools)?;
    Run::cargo().args(["build", "--package", "shunt", "--package", "shunt-testbed", "--bins"]).envs(env.iter().cloned()).show()?;
    Ok(named(tools, env, Profile::Debug))
}

/// Builds the modules and the testbed's programs, quick to run.
pub(crate) fn testbed(tools: &Tools) -> Result<Built> {
    let env = modules(tools)?;
    Run::cargo().args(["build", "--release", "--package", "shunt-testbed", "--bins"]).show()?;
    Ok(named(tools, env, Profile::Release))
}

fn named(tools: &Tools, mut env: Vec<(String, OsString)>, profile: Profile) -> Built {
    let folder = profile.folder();
    for (variable, name) in [("SHUNT_BIN", "shunt"), ("SHUNT_SHOP", "shunt-shop"), ("SHUNT_LEASH", "shunt-leash")] {
        let program = folder.join(name);
        if program.is_file() {
            env.push((variable.to_owned(), program.into()));
        }
    }
    for (variable, path) in [("SHUNT_ENVOY", &tools.envoy), ("SHUNT_ISTIO_CRDS", &tools.istio), ("SHUNT_PROMETHEUS", &tools.prometheus)] {
        if let Ok(path) = path {
            env.push((variable.to_owned(), path.into()));
        }
    }
    Built { env, folder }
}

/// All packages but this one, which runs already, and the one that exists only as a module.
pub(crate) fn natives(run: Run) -> Run {
    run.args(["--workspace", "--exclude", MODULE_ONLY, "--exclude", "xtask"])
}

fn modules(tools: &Tools) -> Result<Vec<(String, OsString)>> {
    let filter = filter(tools)?;
    let panicking = module(tools, "shunt-filter", &["--features", "panic-on-request-header"], Exports::Used, "shunt_filter_panic.wasm")?;
    let noop = module(tools, "shunt-noop", &[], Exports::All, "shunt_noop.wasm")?;
    let named = [("SHUNT_FILTER_WASM", filter), ("SHUNT_FILTER_PANIC_WASM", panicking), ("SHUNT_NOOP_WASM", noop)];
    Ok(named.into_iter().map(|(name, path)| (name.to_owned(), path.into())).collect())
}

/// Builds the filter's module.
pub(crate) fn filter(tools: &Tools) -> Result<PathBuf> {
    module(tools, "shunt-filter", &[], Exports::Used, "shunt_filter.wasm")
}
