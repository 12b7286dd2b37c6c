//! Why something is not recorded, on every platform.

use shunt_filter_core::RolloutId;
use thiserror::Error;

/// Why the store did not do what was asked. Nothing of it was done then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum StoreError {
    /// Another process recorded something of this Rollout meanwhile.
    #[error("{0} was recorded by another process meanwhile; nothing was written")]
    Conflict(RolloutId),
    /// It cannot be written now, and may be later: the disk is full, the server does not answer.
    #[error("the store cannot be written ({why}): {remedy}")]
    Unwritable {
        /// In the store's own words.
        why: String,
        /// What helps.
        remedy: &'static str,
    },
    /// What is recorded cannot be read by this program.
    #[error("what is recorded as {what} cannot be read: {error}")]
    Unreadable {
        /// For example `state of shop/checkout`.
        what: String,
        /// Why.
        error: String,
    },
    /// In the store's own words.
    #[error("store: {0}")]
    Failed(String),
    /// It has ended.
    #[error("the store is closed")]
    Closed,
}
