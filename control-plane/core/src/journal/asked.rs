//! A release or a rollback that an operator asked for.

use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;

use crate::time::Time;

/// Who asked for a release or a rollback, and why: what changed the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseAsked {
    /// When.
    pub at: Time,
    /// The version that should be stable.
    pub version: VersionName,
    /// Who asked.
    pub by: String,
    /// Why, in the author's words; may be empty.
    #[serde(default)]
    pub reason: String,
}
