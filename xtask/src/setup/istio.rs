//! Istio's own CRDs, against which the files of `istio/` are checked; from the Go module proxy.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::place;
use crate::run::Run;

/// istiod of 2026-08-27, the 1.31 line.
const MODULE: &str = "istio.io/istio@v0.0.0-20260827124520-eed52ebb66ad";

const FILE: &str = "manifests/charts/base/files/crd-all.gen.yaml";

/// The file in Go's module cache; an error where there is no Go, or the module cannot be had.
pub(crate) fn crds() -> Result<PathBuf> {
    let go = place::in_path("go").context("there is no Go; install it, or leave the check of istio/ to CI")?;
    let said = Run::new(go).args(["mod", "download", "-json", MODULE]).quiet()?;
    // One field of flat JSON, printed one a line: no reason for a parser here.
    let line = said.lines().find_map(|line| line.trim().strip_prefix("\"Dir\": \"")).context("go mod download names no folder")?;
    let path = PathBuf::from(line.trim_end_matches(',').trim_end_matches('"')).join(FILE);
    if path.is_file() { Ok(path) } else { anyhow::bail!("{MODULE} has no {FILE}") }
}
