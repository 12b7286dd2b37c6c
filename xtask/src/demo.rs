//! `cargo xtask demo [--keep] [--report FILE]`

use anyhow::{Context, Result};

use crate::run::Run;
use crate::{build, setup};

pub(crate) fn demo(args: &[String]) -> Result<()> {
    let tools = setup::tools()?;
    if let Err(error) = &tools.envoy {
        anyhow::bail!("the demo needs an Envoy: {error:#}");
    }
    let built = build::programs(&tools)?;
    Run::new(built.program("shunt-demo")).args(args).envs(built.env.iter().cloned()).show().context("the demo")
}
