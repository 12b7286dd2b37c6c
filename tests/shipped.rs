//! What users apply is what runs here: every file of `envoy/` and `istio/`, and every YAML block of the README.

mod istio_run;
mod istio_schema;
mod manifests;
mod own_routes;
mod readme;
mod static_envoy;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All documents of a YAML text.
fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("not YAML: {error}"))
}

/// The value at a JSON pointer.
fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
}
