//! `cargo xtask`: what people type. Sets up what is missing, builds, and starts the program that does the work.

mod bench;
mod build;
mod demo;
mod generate;
mod leash;
mod lint;
mod module;
mod place;
mod run;
mod setup;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask <command>

  demo [--keep] [--report FILE]   real Envoys, a sample shop, 1,000 users: watch releases happen (about 90 s after the build)
         --keep                   leave it running, with addresses and commands to play with
         --report FILE            write the demo's figures as JSON
  test [FILTER] [--fast] [-- ...] run all tests; with FILTER only those whose name contains it
         --fast                   without the tests on a real Envoy
  lint                            format, clippy (native and wasm), documentation, cargo deny
  bench filter [--report FILE]    what the filter costs Envoy per request, beside a no-op and Lua
         --rounds N --seconds S   how often and how long each variant is measured
  bench live [--case NAME]...     how fast bad releases of many kinds are over on real Envoy, and whether equal ones are kept
             [--report FILE]
  bench analysis [--runs N]       false aborts and missed regressions in simulated rollouts, beside fixed thresholds (2,000 each)
  build [--release]               the filter's module and the binary `shunt` with the module in it
  generate                        rewrite generated files; `test` fails when they differ from the committed ones
  setup [--linters]               install what is missing, at pinned versions, into the cache (the others do this by themselves)

Environment:
  SHUNT_CACHE    where downloaded tools are kept (default ~/.cache/shunt)
  SHUNT_ENVOY    an Envoy to use instead of the pinned one
  SHUNT_WASM     rustup or debian: how to get Rust's wasm target, instead of trying both
  CI             when set, a part that cannot run is an error instead of a line
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|verb| verb == leash::VERB) {
        return leash::main();
    }
    run::watch_signals();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let Some((verb, rest)) = args.split_first() else {
        print!("{HELP}");
        return Ok(());
    };
    if rest.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    match verb.as_str() {
        "demo" => demo::demo(rest),
        "test" => test::test(rest),
        "lint" => lint::lint(rest),
        "bench" => bench::bench(rest),
        "build" => build::build(rest),
        "generate" => generate::generate(rest),
        "setup" => setup::command(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command {other:?}\n\n{HELP}"),
    }
}
