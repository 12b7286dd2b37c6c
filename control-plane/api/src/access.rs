//! Who may do what: tokens with roles.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shunt_filter_core::RolloutId;
use shunt_spec::Time;
use tokio::sync::{mpsc, watch};

use crate::access_store::AccessRequest;
use crate::limits::{Bucket, Lane, Limits};
use crate::peer::Peer;

/// What a token allows; each role includes those before it, but for what `register` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Register, look up and take out instances of the one Rollout that the token is bound to, and nothing else.
    Register,
    /// Look at everything but tokens and audit.
    Read,
    /// Change Rollouts: deploy, release, promote, abort; no manifests that start programs.
    Operate,
    /// Tokens and audit, and manifests with `command`.
    Admin,
}

/// Not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role: write register, read, operate or admin")]
pub struct RoleError(String);

impl Role {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Self, RoleError> {
        [Self::Register, Self::Read, Self::Operate, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| RoleError(text.to_owned()))
    }
}

/// A token as it is kept: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Names it, and the client that uses it.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// The one Rollout that it is for; with the role `register`, and only there.
    pub rollout: Option<RolloutId>,
    /// Of the secret.
    pub hash: TokenHash,
    /// When it was made.
    pub created: Time,
    /// Who made it.
    pub by: String,
    /// From when on it is no longer valid.
    pub expires: Option<Time>,
}

/// SHA-256 of a token's secret. A secret is 256 random bits, so there is nothing to guess that salt or a slow hash would protect;
/// those are for passwords, which people choose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

impl TokenHash {
    /// Of this secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

/// What the API needs to know whom to let in, and where to record what they did.
#[derive(Debug, Clone)]
pub struct Access {
    /// All tokens, also expired ones: as soon as there is one, every request needs one.
    pub tokens: watch::Receiver<Arc<Vec<Token>>>,
    /// Makes, revokes and records.
    pub store: mpsc::Sender<AccessRequest>,
    /// The clock.
    pub now: fn() -> Time,
    /// How much at a time.
    pub limits: Limits,
}

impl Access {
    /// Without tokens, and without anything that records: for tests of other things.
    pub fn open() -> Self {
        let lane = || Lane::new(Bucket::new(1_000_000, 1_000_000), 64, 64);
        let limits = Limits { reads: lane(), changes: lane(), ..Limits::default() };
        Self { tokens: watch::channel(Arc::default()).1, store: mpsc::channel(1).0, now: Time::default, limits }
    }

    /// Who sends this secret (none: the client does not say who it is); or why it is not let in.
    pub(crate) fn actor(&self, peer: &Peer, secret: Option<&str>) -> Result<Actor, AuthError> {
        let tokens = self.tokens.borrow();
        match secret {
            None if tokens.is_empty() && peer.is_local() => Ok(Actor::local(peer)),
            None if tokens.is_empty() => Err(AuthError::NoTokens),
            None => Err(AuthError::NoToken),
            // A client that has a token already should not fail where none is needed yet.
            Some(_) if tokens.is_empty() && peer.is_local() => Ok(Actor::local(peer)),
            Some(secret) => {
                let hash = TokenHash::of(secret);
                let token = tokens.iter().find(|token| token.hash == hash).ok_or(AuthError::Unknown)?;
                match token.expires {
                    Some(end) if (self.now)() >= end => Err(AuthError::Expired(token.name.clone())),
                    _ => Ok(Actor::with(token, peer)),
                }
            }
        }
    }
}

/// Why a client is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// It says nothing.
    #[error("this server needs a token")]
    NoToken,
    /// There is none that it could say.
    #[error("this server has no tokens yet, and without one only its own machine is let in")]
    NoTokens,
    /// It says one that is not known, or that was revoked.
    #[error("the token is not known here; it may have been revoked")]
    Unknown,
    /// Its time is over.
    #[error("the token {0} has expired")]
    Expired(String),
}

/// Who sent a request that was let in.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The token's name; none: this machine, while there are no tokens.
    pub token: Option<String>,
    /// What it may do.
    pub role: Role,
    /// To which Rollout alone; none: to all.
    pub rollout: Option<RolloutId>,
    /// Where it is.
    pub peer: Peer,
    did: Arc<Mutex<Option<Did>>>,
}

/// What a request is about, more precisely than its path says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Did {
    /// For example `abort`.
    pub(crate) verb: String,
    /// For example the reason.
    pub(crate) detail: String,
}

impl Actor {
    /// This machine, while there are no tokens.
    fn local(peer: &Peer) -> Self {
        Self { token: None, role: Role::Admin, rollout: None, peer: peer.clone(), did: Arc::default() }
    }

    fn with(token: &Token, peer: &Peer) -> Self {
        let (name, rollout) = (Some(token.name.clone()), token.rollout.clone());
        Self { token: name, role: token.role, rollout, peer: peer.clone(), did: Arc::default() }
    }

    /// Whether its token is one for instances of this Rollout.
    pub(crate) fn registers_for(&self, namespace: &str, name: &str) -> bool {
        let bound = self.rollout.as_ref().is_some_and(|own| own.namespace() == namespace && own.name() == name);
        self.role == Role::Register && bound
    }

    /// For the audit.
    pub fn name(&self) -> &str {
        self.token.as_deref().unwrap_or("loopback")
    }

    /// For the journal: the token's name, or, where there are no tokens, what the client says of itself.
    pub fn by(&self, said: &str) -> String {
        match (&self.token, said) {
            (Some(name), _) => name.clone(),
            (None, "") => "api".to_owned(),
            (None, said) => said.to_owned(),
        }
    }

    /// Says for the audit what this is about.
    pub(crate) fn does(&self, verb: impl Into<String>, detail: impl Into<String>) {
        *self.did.lock().unwrap_or_else(PoisonError::into_inner) = Some(Did { verb: verb.into(), detail: detail.into() });
    }

    pub(crate) fn did(&self) -> Option<Did> {
        self.did.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
