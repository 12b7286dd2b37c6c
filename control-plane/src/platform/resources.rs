//! What users want, and how it is changed on their behalf.

use std::collections::BTreeSet;

use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::manifest::ManifestError;
use shunt_spec::{Plan, Time};

/// What users want by now.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    /// Rollouts that are right, and bring something.
    pub(crate) plans: Vec<Plan>,
    /// Recorded ones that are gone for good.
    pub(crate) gone: BTreeSet<RolloutId>,
}

/// A change on behalf of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// `spec.release` names this version.
    Release(VersionName),
    /// The Rollout is this text.
    Put(String),
    /// The Rollout goes; asked for at this moment.
    Remove(Time),
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edited {
    /// What was done, for people.
    pub(crate) message: String,
    /// Whether anything was.
    pub(crate) changed: bool,
    /// What should be in force once that was read.
    pub(crate) wanted: Wanted,
}

/// What a change should come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// This version is to be released.
    Release(VersionName),
    /// The plan with this digest.
    Plan(String),
    /// The Rollout is gone.
    Gone,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum EditRefused {
    /// There is no such Rollout.
    UnknownRollout,
    /// The Rollout has no such version.
    UnknownVersion,
    /// It is wrong, alone or together with others.
    Invalid(Vec<ManifestError>),
    /// Another Rollout has its host.
    Conflicted(String),
    /// It can be changed elsewhere only.
    ReadOnly(String),
    /// It is written in a way that cannot be changed by a program.
    NotEditable(String),
    /// The place of all of them is not as it should be.
    Misplaced(String),
}
