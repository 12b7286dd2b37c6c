//! `cargo xtask generate`: rewrites what is generated and committed. The tests that compare such files write them instead when
//! `SHUNT_GENERATE` is set, so there is one description of each file, in its test.

use anyhow::{Result, bail};

use crate::run::Run;
use crate::{build, setup};

pub(crate) fn generate(args: &[String]) -> Result<()> {
    if !args.is_empty() {
        bail!("generate takes no arguments");
    }
    let tools = setup::tools()?;
    let built = build::everything(&tools)?;
    let run = build::natives(Run::cargo().arg("test")).args(["--exclude", "shunt-e2e", "--exclude", "shunt-testbed", "--no-fail-fast"]);
    run.envs(built.env.iter().cloned()).env("SHUNT_GENERATE", "1").env("INSTA_UPDATE", "always").show()?;
    Run::new("git").args(["status", "--short"]).show()
}
