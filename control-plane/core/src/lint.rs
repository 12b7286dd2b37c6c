//! Warnings: what is allowed and probably not meant, each with its field and what to write instead.

mod analysis;
mod external_metrics;
mod flags;
mod key;
mod steps;
mod strategy;
mod versions;

use crate::manifest::{Document, ManifestError, Origin, Problems};
use crate::plan::Plan;
use crate::rollout::strategy::paths;

pub use flags::flags_alone;

/// A Rollout being looked at.
struct Lint<'a> {
    origin: &'a Origin,
    plan: &'a Plan,
    /// The field of each step.
    steps: Vec<String>,
    found: Problems,
}

/// All warnings about a Rollout whose document compiled to this plan, in the order of its file.
pub fn lint(document: &Document, plan: &Plan) -> Vec<ManifestError> {
    let strategy = document.rollout().and_then(|rollout| rollout.spec.strategy.as_ref());
    let steps = paths(strategy, plan);
    let mut lint = Lint { origin: &document.origin, plan, steps, found: Problems::new() };
    lint.key();
    lint.versions();
    lint.steps();
    lint.strategy();
    lint.analysis();
    lint.external_metrics();
    lint.external_goals();
    lint.found.locate(&document.origin)
}

impl Lint<'_> {
    /// The field of a step.
    fn step_path(&self, index: usize) -> String {
        self.steps.get(index).cloned().unwrap_or_else(|| "spec.strategy".to_owned())
    }

    fn warn(&mut self, path: impl Into<String>, message: impl std::fmt::Display) {
        self.found.add(path, message);
    }
}
