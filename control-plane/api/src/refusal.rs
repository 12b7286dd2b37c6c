//! Why the process did not do what was asked: a code for programs, a sentence for people.

mod code;
mod instance;
mod recovery;
mod token;

use shunt_core::command::CommandRefused;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::manifest::ManifestError;
use thiserror::Error;

pub use code::RefusalCode;
pub use instance::InstanceRefused;
pub use recovery::RecoveryRefused;
pub use token::TokenRefused;

/// Why something asked was not done. The text says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no such Rollout (404).
    #[error("there is no Rollout {0}")]
    UnknownRollout(RolloutId),
    /// There is no such version in its manifest (404).
    #[error("{rollout} has no version {version}")]
    UnknownVersion {
        /// Which Rollout.
        rollout: RolloutId,
        /// What was asked for.
        version: VersionName,
        /// What it has.
        known: Vec<VersionName>,
    },
    /// There is no such proxy (404).
    #[error("no proxy {0} is known")]
    UnknownProxy(String),
    /// The author saw an older revision (409).
    #[error("the command names revision {seen}, but it is at {now} by now: look again, then decide")]
    Stale {
        /// What the author saw.
        seen: u64,
        /// What it is.
        now: u64,
    },
    /// The state machine does not obey the command now (409).
    #[error(transparent)]
    Command(#[from] CommandRefused),
    /// Another Rollout has its host (409).
    #[error("{}it is conflicted: {reason}", but(.done.as_deref()))]
    Conflicted {
        /// What was done before that was seen, for people; none: nothing.
        done: Option<String>,
        /// Which one, and since when, for people.
        reason: String,
    },
    /// The manifest was changed, and is not taken (409).
    #[error("{done}, but the manifest is refused: {problem}")]
    ManifestRefused {
        /// What was done, for people.
        done: String,
        /// What is wrong with it.
        problem: Box<ManifestError>,
    },
    /// The config folder is not as it should be, and nothing is written into it (409); the text says what is wrong.
    #[error("{0}")]
    Folder(String),
    /// The manifest cannot be edited as it stands (409); the text says why.
    #[error("{0}")]
    NotEditable(String),
    /// There is no version to go back to (409).
    #[error("no version was stable before {stable}: name one with `to`")]
    NoFormer {
        /// The stable one.
        stable: VersionName,
    },
    /// A token cannot be made or revoked like that (409).
    #[error(transparent)]
    Token(#[from] TokenRefused),
    /// Nothing can be done or read of an instance (409).
    #[error(transparent)]
    Instance(#[from] InstanceRefused),
    /// Nothing is recovered (409).
    #[error(transparent)]
    Recovery(#[from] RecoveryRefused),
    /// The manifest cannot be edited (409); the text names file and line, and what to write there.
    #[error("{0}")]
    ReadOnly(String),
    /// The manifest cannot be taken (422); each error with its place.
    #[error("{}", first(.0))]
    Invalid(Vec<ManifestError>),
    /// There is no such token (404).
    #[error("there is no token {name}")]
    UnknownToken {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The store failed (503); the text says how.
    #[error("{0}")]
    Unavailable(String),
}

fn first(errors: &[ManifestError]) -> String {
    match errors {
        [] => "the manifest is refused".to_owned(),
        [only] => only.to_string(),
        [first, others @ ..] => format!("{first} (and {} more)", others.len()),
    }
}

fn but(done: Option<&str>) -> String {
    done.map(|done| format!("{done}, but ")).unwrap_or_default()
}
