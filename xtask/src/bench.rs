//! `cargo xtask bench filter|live [--report FILE]` on a real Envoy, `cargo xtask bench controller [--report FILE]` with simulated proxies, and
//! `cargo xtask bench analysis [--runs N]`

use anyhow::{Context, Result, bail};

use crate::build::{self, Profile};
use crate::place;
use crate::run::{Run, say};
use crate::setup::{self, apt};

pub(crate) fn bench(args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((what, rest)) if what == "analysis" => analysis(rest),
        Some((what, _)) if what == "filter" => filter(args),
        Some((what, _)) if what == "live" => live(args),
        Some((what, _)) if what == "controller" => controller(args),
        _ => bail!("which benchmark? There are: bench filter, bench live, bench controller, bench analysis"),
    }
}

/// Simulated rollouts: no Envoy, no filter.
fn analysis(args: &[String]) -> Result<()> {
    Run::cargo().args(["build", "--release", "--package", "shunt-simulation"]).show()?;
    Run::new(Profile::Release.folder().join("shunt-simulation")).args(args).show().context("the simulation")
}

/// Bad releases on a real Envoy, with the real control plane.
fn live(args: &[String]) -> Result<()> {
    let built = build::programs(&tools()?)?;
    Run::new(built.program("shunt-bench")).args(args).envs(built.env.iter().cloned()).show().context("the benchmark")
}

/// The real control plane with simulated proxies: no Envoy, no filter. As it is shipped, because its CPU is measured.
fn controller(args: &[String]) -> Result<()> {
    Run::cargo().args(["build", "--release", "--package", "shunt", "--package", "shunt-testbed", "--bins"]).show()?;
    Run::new(Profile::Release.folder().join("shunt-bench")).args(args).show().context("the benchmark")
}

fn filter(args: &[String]) -> Result<()> {
    let tools = tools()?;
    if place::in_path("wrk").is_none()
        && let Err(error) = apt(&["wrk"])
    {
        say(format_args!("without wrk the load comes from our own generator ({error:#})"));
    }
    let built = build::testbed(&tools)?;
    Run::new(built.program("shunt-bench")).args(args).envs(built.env.iter().cloned()).show().context("the benchmark")
}

fn tools() -> Result<setup::Tools> {
    let tools = setup::tools()?;
    if let Err(error) = &tools.envoy {
        bail!("the benchmark needs an Envoy: {error:#}");
    }
    Ok(tools)
}
