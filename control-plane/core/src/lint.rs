//! Warnings: what is allowed and probably not meant, each with its field and what to write instead.

mod analysis;
mod key;
mod steps;
mod versions;

use crate::manifest::{Document, ManifestError, Origin, Problems};
use crate::plan::Plan;

/// A Rollout being looked at.
struct Lint<'a> {
    origin: &'a Origin,
    plan: &'a Plan,
    found: Problems,
}

/// All warnings about a Rollout whose document compiled to this plan, in the order of its file.
pub fn lint(document: &Document, plan: &Plan) -> Vec<ManifestError> {
    let mut lint = Lint { origin: &document.origin, plan, found: Problems::new() };
    lint.key();
    lint.versions();
    lint.steps();
    lint.analysis();
    lint.found.locate(&document.origin)
}

impl Lint<'_> {
    fn warn(&mut self, path: impl Into<String>, message: impl std::fmt::Display) {
        self.found.add(path, message);
    }
}
