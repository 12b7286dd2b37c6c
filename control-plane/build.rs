//! Embeds the filter's module, named by `SHUNT_FILTER_WASM`. Without it the build succeeds and `shunt serve` says what to do.

use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-env-changed=SHUNT_FILTER_WASM");
    println!("cargo:rerun-if-changed=build.rs");
    let target = PathBuf::from(env::var("OUT_DIR")?).join("filter.wasm");
    match env::var_os("SHUNT_FILTER_WASM").filter(|name| !name.is_empty()) {
        Some(name) => {
            let source = PathBuf::from(&name);
            println!("cargo:rerun-if-changed={}", source.display());
            fs::copy(&source, &target).map_err(|error| format!("SHUNT_FILTER_WASM={}: {error}", source.display()))?;
        }
        None => fs::write(&target, [])?,
    }
    Ok(())
}
