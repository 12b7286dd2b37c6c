//! Instances of which nothing can be done or read.

use shunt_filter_core::{RolloutId, VersionName};
use thiserror::Error;

/// Why nothing is done or read of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InstanceRefused {
    /// It asked to go.
    #[error("{0} is leaving: register again when it is gone")]
    Leaving(String),
    /// It went at this moment.
    #[error("it is gone")]
    Gone,
    /// The address is that of another version's instance.
    #[error("{address} is an instance of {rollout}, version {version}: deregister it there first")]
    Taken {
        /// Where it listens.
        address: String,
        /// Whose.
        rollout: RolloutId,
        /// Of which version.
        version: VersionName,
    },
    /// The version's instances are not of that kind.
    #[error("instances of {0} do not register themselves: write `register:` in its version, or do without")]
    NotRegistered(VersionName),
    /// They are run elsewhere.
    #[error("{0} are not run by Shunt: their logs are where they run")]
    NotRun(String),
    /// There is no log of it.
    #[error("there is no log of an instance {instance}: there are {}", .there.iter().map(u64::to_string).collect::<Vec<_>>().join(", "))]
    NoLog {
        /// Its number.
        instance: u64,
        /// Those of which there is one.
        there: Vec<u64>,
    },
}
