//! Tokens that cannot be made or revoked.

use thiserror::Error;

use crate::access::Role;

/// Why a token is not made, or not revoked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenRefused {
    /// The name is none.
    #[error("{name:?} cannot name a token: write 1 to {max} of letters, digits, - _ . @, and not loopback")]
    Name {
        /// As asked for.
        name: String,
        /// Most characters.
        max: usize,
    },
    /// Its end is past.
    #[error("it would have expired already: name a later time")]
    Expired,
    /// The role needs a Rollout.
    #[error("a token of the role register is for the instances of one Rollout: name it, with --rollout NAMESPACE/NAME")]
    NeedsRollout,
    /// The role takes no Rollout.
    #[error("only the role register is bound to a Rollout: leave it out for {0}")]
    TakesNoRollout(Role),
    /// Another token has the name.
    #[error("there is a token {0} already: revoke it first, or take another name")]
    Taken(String),
    /// Without it every process may do everything.
    #[error(
        "{0} is the last token, and without one every process on this machine may do everything: make another one first, or stop the \
         server and revoke it with --data"
    )]
    Last(String),
}
