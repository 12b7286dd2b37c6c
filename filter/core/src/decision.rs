//! What was decided, and why.

use crate::names::VersionName;
use crate::policy::FlagValue;

/// The outcome for one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<'r> {
    /// Who answers.
    pub version: &'r VersionName,
    /// Why.
    pub reason: Reason<'r>,
    /// The value of `x-shunt-route`; none when the default route gives the same.
    pub route: Option<&'r str>,
    /// Who gets a copy.
    pub mirror: Option<&'r VersionName>,
    /// Set when the service's split assigned the request (also when its version was then not serving): slot of the hash space.
    pub slot: Option<u16>,
    /// A generated id: set this cookie on the response and add it to the request.
    pub generated: Option<Generated<'r>>,
    /// True when a key chain is configured and nothing of it was present.
    pub keyless: bool,
    /// Decided flags, in order of the policy.
    pub flags: Vec<FlagDecision<'r>>,
}

/// A generated key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated<'r> {
    /// The cookie's name.
    pub cookie: &'r str,
    /// Its value.
    pub value: String,
    /// The whole `set-cookie` value.
    pub set_cookie: String,
}

/// One decided flag.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagDecision<'r> {
    /// The flag's name.
    pub name: &'r str,
    /// The version whose value it gets.
    pub version: &'r VersionName,
    /// The value; none when it is the default's.
    pub value: Option<&'r FlagValue>,
    /// Why.
    pub reason: Reason<'r>,
}

/// Why a request goes where it goes. Its `Display` is the sentence `shunt explain` prints.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason<'r> {
    /// A rule matched; `point` is set when its split is not everybody.
    Rule {
        /// The rule's name.
        name: &'r str,
        /// Where the key fell.
        point: Option<u32>,
    },
    /// The service's split.
    Split {
        /// Where the key fell.
        point: u32,
        /// What the key was, for example `cookie shunt-id`.
        key: String,
    },
    /// No range claims the point, or there is no split.
    Stable {
        /// Where the key fell, if it was hashed.
        point: Option<u32>,
    },
    /// A key chain is configured, nothing of it was present.
    Keyless,
    /// The decided version is not serving; stable answers.
    NotServing {
        /// The version that was decided first.
        wanted: &'r VersionName,
    },
    /// A mirrored copy: goes on as it came, decides nothing.
    Shadow,
}
