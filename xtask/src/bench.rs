//! `cargo xtask bench filter [--report FILE] [--rounds N] [--seconds S]`

use anyhow::{Context, Result, bail};

use crate::build;
use crate::place;
use crate::run::{Run, say};
use crate::setup::{self, apt};

pub(crate) fn bench(args: &[String]) -> Result<()> {
    if args.first().map(String::as_str) != Some("filter") {
        bail!("which benchmark? There is: bench filter");
    }
    let tools = setup::tools()?;
    if let Err(error) = &tools.envoy {
        bail!("the benchmark needs an Envoy: {error:#}");
    }
    if place::in_path("wrk").is_none()
        && let Err(error) = apt(&["wrk"])
    {
        say(format_args!("without wrk the load comes from our own generator ({error:#})"));
    }
    let built = build::testbed(&tools)?;
    Run::new(built.program("shunt-bench")).args(args).envs(built.env.iter().cloned()).show().context("the benchmark")
}
