//! Warnings: what is allowed and probably not meant, each with its field and what to write instead.

use crate::manifest::{Document, ManifestError};
use crate::plan::Plan;

/// All warnings about a Rollout whose document compiled to this plan.
pub fn lint(_document: &Document, _plan: &Plan) -> Vec<ManifestError> {
    Vec::new()
}
