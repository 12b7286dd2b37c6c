//! What is kept of the API's own: tokens, audit, answers to repeated requests. Kept by the process, like everything else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::RolloutId;
use shunt_spec::Time;
use shunt_spec::schema::filter;

use crate::access::Role;
use crate::app::Reply;

/// Something to be kept or looked up.
#[derive(Debug)]
pub enum AccessRequest {
    /// Make a token.
    Create {
        /// What it should be.
        token: NewToken,
        /// Who asks.
        by: String,
        /// Answered with its secret, this once.
        reply: Reply<Secret>,
    },
    /// End a token.
    Revoke {
        /// Its name.
        name: String,
        /// Answered once that is recorded.
        reply: Reply<()>,
    },
    /// Keep what a client did.
    Note(AuditRecord),
    /// What was done.
    Audit {
        /// Which of it.
        wanted: AuditWanted,
        /// Newest first.
        reply: Reply<Vec<AuditEntry>>,
    },
    /// A request with an idempotency key is about to be done.
    Begin {
        /// Whose key.
        key: Key,
        /// Digest of method, path and body.
        request: String,
        /// Whether it should be.
        reply: Reply<Begun>,
    },
    /// It was done, and this was answered; or nothing was done, and it may be sent again.
    End {
        /// Whose key.
        key: Key,
        /// None: forget the key.
        answer: Option<Answer>,
        /// Answered once that is recorded.
        reply: Reply<()>,
    },
}

/// Which part of the audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditWanted {
    /// Only what came before this number.
    pub before: Option<u64>,
    /// Only what was done to this Rollout.
    pub rollout: Option<RolloutId>,
    /// Only from then on.
    pub since: Option<Time>,
    /// At most so many.
    pub limit: usize,
}

/// A token that an admin wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    /// Names it; letters, digits, `-`, `_`, `.`, `@`.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// The one Rollout whose instances it may register; required with the role `register`, only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::RolloutId>")]
    pub rollout: Option<RolloutId>,
    /// From when on it is no longer valid; none: until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its secret: shown this once, kept nowhere.
    pub token: String,
}

/// Something that a client did, or tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// When.
    pub at: Time,
    /// Who: the token's name, or `loopback` while there are no tokens.
    pub by: String,
    /// From where, without the port.
    pub address: String,
    /// What: `abort`, `release`, `putRollout`, `createToken`, ...
    pub verb: String,
    /// To what: the path after `/v1/`.
    pub object: String,
    /// In whose words why, or what else is worth knowing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// `done`, `replayed` (answered by an idempotency key, nothing was done), or the kind of the problem.
    pub result: String,
}

/// An audit record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Grows.
    pub id: u64,
    /// What was done.
    #[serde(flatten)]
    pub record: AuditRecord,
}

/// An idempotency key, per author.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who sent it.
    pub by: String,
    /// What it said.
    pub key: String,
}

/// What there is about an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: do it, then say what was answered.
    New,
    /// It was done: this was answered.
    Done(Answer),
    /// It was begun, and what became of it is not known: it is being done now, or the process ended meanwhile.
    Open,
    /// The key was used for another request.
    Other,
}

/// An answer as it went over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Content type.
    pub kind: String,
    /// Body.
    pub body: Vec<u8>,
}
