//! Recoveries that are not done.

use shunt_filter_core::RolloutId;
use thiserror::Error;

/// Why nothing is recovered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecoveryRefused {
    /// The store knows all that proxies run.
    #[error("nothing is to be recovered: no proxy runs what this store did not publish")]
    Nothing,
    /// An operator has to confirm each Rollout.
    #[error("nothing was done: not confirmed: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Unconfirmed(Vec<RolloutId>),
    /// No proxy that was looked at has a policy.
    #[error("no policy with a generation was found at these proxies: name an Envoy that has Shunt's filter")]
    NoPolicy,
    /// What was found does not say where a Rollout is.
    #[error("{0}")]
    Unclear(String),
}
