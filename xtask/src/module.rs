//! A module from its sources: compiled, finished, optimised.

mod guard;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::place;
use crate::run::{Run, say};
use crate::setup::Tools;

/// The features of WebAssembly that Rust's compiler uses by default; wasm-opt wants them named.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-multivalue",
    "--enable-reference-types",
];

/// Which exports a module keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exports {
    /// Those of the SDK, and hostcalls as they are: what any module has.
    All,
    /// Those that the filter does something in, and a guard before each hostcall.
    Used,
}

/// Builds a package as the module `name`.
pub(crate) fn module(tools: &Tools, package: &str, flags: &[&str], exports: Exports, name: &str) -> Result<PathBuf> {
    let (cargo, folder) = tools.wasm.cargo("build", "wasm");
    cargo.args(["--package", package]).args(flags).show()?;
    let built = folder.join(format!("{}.wasm", package.replace('-', "_")));
    let plain = std::fs::read(&built).with_context(|| built.display().to_string())?;
    let finished = match exports {
        Exports::All => plain,
        Exports::Used => guard::guarded(&plain).with_context(|| built.display().to_string())?,
    };
    std::fs::create_dir_all(place::modules())?;
    let path = place::modules().join(name);
    let source = path.with_extension("plain");
    // Unchanged bytes keep their optimised module and its time stamp, so that nothing that embeds it is built again.
    if path.is_file() && std::fs::read(&source).is_ok_and(|old| old == finished) {
        return Ok(path);
    }
    std::fs::write(&source, &finished)?;
    let size = optimised(tools.optimizer.as_deref(), &source, &path)?;
    say(format_args!("{name}: {} KB", size / 1024));
    Ok(path)
}

/// What has one caller is not put into it, as the optimiser would: V8 keeps the memory that its compiler took for the largest functions, so
/// small ones are better. The filter's own large ones are marked `#[inline(never)]` for the same reason.
fn optimised(optimizer: Option<&Path>, source: &Path, path: &Path) -> Result<u64> {
    match optimizer {
        Some(wasm_opt) => drop(
            Run::new(wasm_opt)
                .args(FEATURES)
                .args(["-O3", "--one-caller-inline-max-function-size", "50"])
                .arg(source)
                .arg("-o")
                .arg(path)
                .quiet()?,
        ),
        None => drop(std::fs::copy(source, path)?),
    }
    Ok(path.metadata()?.len())
}
