//! What is wrong with a manifest, where, and what would be right.

use std::fmt;

use serde::{Deserialize, Serialize};
use shunt_filter_core::RolloutId;

/// One error (or warning) at one field. Printed `shop.yaml:12:5: spec.release: message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestError {
    /// As the caller named it.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// Path of the field, for example `spec.versions[1].endpoints[0]`; empty for the document as a whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// The Rollout that the document is about, as far as it can be read: its last good version should keep running.
    pub rollout: Option<RolloutId>,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ManifestError {}
