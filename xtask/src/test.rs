//! `cargo xtask test [FILTER] [--fast] [-- ...]`

use std::time::Instant;

use anyhow::{Result, bail};

use crate::run::{Run, say, skip};
use crate::{build, place, setup};

/// Packages whose tests need a real Envoy.
const ON_ENVOY: [&str; 2] = ["shunt-e2e", "shunt-testbed"];

/// How many tests of a program run at once.
const THREADS: &str = "RUST_TEST_THREADS";

pub(crate) fn test(args: &[String]) -> Result<()> {
    let (own, further) = args.split_at(args.iter().position(|arg| arg == "--").unwrap_or(args.len()));
    let fast = own.iter().any(|arg| arg == "--fast");
    let filters: Vec<&String> = own.iter().filter(|arg| *arg != "--fast").collect();
    if filters.len() > 1 || filters.iter().any(|filter| filter.starts_with('-')) {
        bail!("test takes one FILTER, --fast, and after -- what the test programs take");
    }
    let start = Instant::now();
    let tools = setup::tools()?;
    let built = build::everything(&tools)?;
    say(format_args!("built in {} s", start.elapsed().as_secs()));
    let start = Instant::now();
    let mut run = build::natives(Run::cargo().arg("test")).envs(built.env.iter().cloned());
    if fast {
        say("left out, as asked: the tests on a real Envoy");
        run = without_envoy(run);
    } else if let Err(error) = &tools.envoy {
        skip("the tests on a real Envoy", &format!("{error:#}"))?;
        run = without_envoy(run);
    }
    if place::ci() {
        // One run shows all that is broken.
        run = run.arg("--no-fail-fast");
    }
    if std::env::var_os(THREADS).is_none() {
        // Tests on a real Envoy wait for processes, reports and proofs most of the time.
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        run = run.env(THREADS, (2 * cores).to_string());
    }
    // Cargo runs each test program through the leash, so that none survives cargo.
    let runner = format!("{} parent", built.program("shunt-leash").display());
    run.env(&runner_variable()?, runner).args(filters).args(further).show()?;
    say(format_args!("tests passed in {} s", start.elapsed().as_secs()));
    Ok(())
}

fn without_envoy(run: Run) -> Run {
    ON_ENVOY.iter().fold(run, |run, package| run.args(["--exclude", package]))
}

fn runner_variable() -> Result<String> {
    let host = setup::wasm::host()?.to_uppercase().replace('-', "_");
    Ok(format!("CARGO_TARGET_{host}_RUNNER"))
}
