//! Errors as people and programs read them: `application/problem+json` (RFC 9457) with what to do next.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_core::identity::IdentityMismatch;
use shunt_filter_core::RolloutId;
use shunt_spec::manifest::ManifestError;
use thiserror::Error;

use crate::access::{AuthError, Role};
use crate::authorize::seconds;
use crate::memory::Crowded;
use crate::refusal::{Refusal, RefusalCode};

/// Why a request to the API was not answered with what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// There is no such Rollout.
    #[error("there is no Rollout {id}")]
    UnknownRollout {
        /// What was asked for.
        id: String,
        /// What there is.
        known: Vec<RolloutId>,
    },
    /// Nothing answers at this path.
    #[error("there is nothing at {0}")]
    UnknownPath(String),
    /// The path exists, the method does not.
    #[error("{0} is not answered here")]
    Method(String),
    /// The body or the query does not say what it should.
    #[error("{0}")]
    Unreadable(String),
    /// The body is larger than this, bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// A web page of another site sent it.
    #[error("a page of {0} may not change anything here")]
    ForeignOrigin(String),
    /// In clear text, it does not name this machine: a browser may have been led here under another name.
    #[error("{}", foreign(.0))]
    ForeignHost(String),
    /// The sender is not known.
    #[error(transparent)]
    Unauthenticated(AuthError),
    /// It is known who sent it, and that is not enough.
    #[error("{name} has the role {has}; this needs {needs}")]
    Forbidden {
        /// Who.
        name: String,
        /// What the token allows.
        has: Role,
        /// What it takes.
        needs: Role,
    },
    /// The manifest starts programs on the control plane's machine, and the token does not allow that.
    #[error("{name} has the role {has}; a manifest that starts programs needs admin: {fields}", fields = .fields.join(", "))]
    Programs {
        /// Who.
        name: String,
        /// What the token allows.
        has: Role,
        /// The fields with commands.
        fields: Vec<String>,
    },
    /// The client sends more often than it may; how long it should wait.
    #[error("too many requests: wait {} s", seconds(*.0))]
    TooOften(Duration),
    /// The request took too long to arrive or to be answered.
    #[error("it took longer than {} s", .0.as_secs())]
    Slow(Duration),
    /// What was waited for has not come.
    #[error("{0}")]
    NotYet(String),
    /// A body of a kind that is not read here.
    #[error("content-type {0:?} is not read here")]
    MediaType(String),
    /// The idempotency key was used for something else.
    #[error("the idempotency key {0:?} was used for another request")]
    KeyReused(String),
    /// A request with this idempotency key was begun, and what became of it is not known yet.
    #[error("a request with the idempotency key {0:?} was begun and is not answered")]
    KeyOpen(String),
    /// The connection does not speak for that proxy.
    #[error(transparent)]
    IdentityMismatch(#[from] IdentityMismatch),
    /// The process refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no memory for what a node reports.
    #[error(transparent)]
    Crowded(#[from] Crowded),
    /// Too much waits already.
    #[error("too many {0} wait to be taken")]
    Busy(&'static str),
    /// The process did not answer in time, or is ending.
    #[error("the control plane does not answer its own API")]
    NoAnswer,
    /// The process has not read its manifests yet.
    #[error("the control plane is starting and knows no Rollouts yet")]
    Starting,
    /// The policy that is published cannot be compiled; it should never have been.
    #[error("the published policy does not compile: {0}")]
    Policy(String),
}

fn foreign(host: &str) -> String {
    if host.is_empty() { "the request names no host".to_owned() } else { format!("{host:?} is no name of this machine") }
}

/// What kind of problem an answer tells, for the code that passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind(pub(crate) &'static str);

impl Kind {
    /// Of [`Problem::NoAnswer`]: whether something was done is not known.
    pub(crate) const NO_ANSWER: Self = Self("no-answer");
}

/// A problem on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody {
    /// `urn:shunt:problem:<kind>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// Why the process did not do it, for programs; none: it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<RefusalCode>,
    /// What to do next.
    #[serde(default)]
    pub next: String,
    /// What there is, when something unknown was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
    /// What is wrong with a manifest, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ManifestError>,
}

impl Problem {
    /// (status, kind, title)
    fn class(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::UnknownRollout { .. } | Self::Refused(Refusal::UnknownRollout(_)) => {
                (StatusCode::NOT_FOUND, "unknown-rollout", "No such Rollout")
            }
            Self::Refused(Refusal::UnknownVersion { .. }) => (StatusCode::NOT_FOUND, "unknown-version", "No such version"),
            Self::Refused(Refusal::UnknownProxy(_)) => (StatusCode::NOT_FOUND, "unknown-proxy", "No such proxy"),
            Self::Refused(Refusal::Stale { .. }) => (StatusCode::CONFLICT, "stale", "The Rollout has moved on"),
            Self::Refused(
                Refusal::Command(_)
                | Refusal::Conflicted { .. }
                | Refusal::ManifestRefused { .. }
                | Refusal::Folder(_)
                | Refusal::NotEditable(_)
                | Refusal::NoFormer { .. }
                | Refusal::Token(_)
                | Refusal::Instance(_)
                | Refusal::Recovery(_),
            ) => (StatusCode::CONFLICT, "not-now", "Not possible in this state"),
            Self::Refused(Refusal::ReadOnly(_)) => (StatusCode::CONFLICT, "read-only", "The manifest cannot be edited"),
            Self::Refused(Refusal::Invalid(_)) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The manifest is refused"),
            Self::Refused(Refusal::UnknownToken { .. }) => (StatusCode::NOT_FOUND, "unknown-token", "No such token"),
            Self::Refused(Refusal::Unavailable(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The control plane cannot do it now")
            }
            Self::UnknownPath(_) => (StatusCode::NOT_FOUND, "unknown-path", "Nothing here"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method", "Wrong method"),
            Self::Unreadable(_) => (StatusCode::BAD_REQUEST, "unreadable", "Not understood"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Self::ForeignOrigin(_) => (StatusCode::FORBIDDEN, "foreign-origin", "Not from other sites"),
            Self::ForeignHost(_) => (StatusCode::MISDIRECTED_REQUEST, "foreign-host", "Not by this name"),
            Self::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "unauthenticated", "Who are you?"),
            Self::Forbidden { .. } | Self::Programs { .. } => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::TooOften(_) => (StatusCode::TOO_MANY_REQUESTS, "too-often", "Too many requests"),
            Self::Slow(_) => (StatusCode::REQUEST_TIMEOUT, "slow", "Took too long"),
            Self::NotYet(_) => (StatusCode::GATEWAY_TIMEOUT, "not-yet", "Not yet"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Not read here"),
            Self::KeyReused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "key-reused", "Another request"),
            Self::KeyOpen(_) => (StatusCode::CONFLICT, "key-open", "Not answered yet"),
            Self::IdentityMismatch(_) => (StatusCode::FORBIDDEN, "identity-mismatch", "Not your own name"),
            Self::Crowded(_) => (StatusCode::TOO_MANY_REQUESTS, "crowded", "Too much to keep"),
            Self::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy"),
            Self::NoAnswer => (StatusCode::SERVICE_UNAVAILABLE, "no-answer", "No answer"),
            Self::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting", "Starting"),
            Self::Policy(_) => (StatusCode::INTERNAL_SERVER_ERROR, "policy", "Broken policy"),
        }
    }

    fn next(&self) -> String {
        match self {
            Self::UnknownRollout { known, .. } if known.is_empty() => {
                "No Rollout is known yet: put a manifest into the folder given by `shunt serve --config`".to_owned()
            }
            Self::UnknownRollout { .. } => "Use one of the known names".to_owned(),
            Self::Refused(Refusal::UnknownRollout(_)) => "`shunt get` lists what there is".to_owned(),
            Self::Refused(Refusal::UnknownVersion { .. }) => {
                "Name one of its versions, or add the new one to the manifest first".to_owned()
            }
            Self::Refused(Refusal::UnknownProxy(_)) => "`shunt proxies` lists those that are known".to_owned(),
            Self::Refused(Refusal::Stale { .. }) => "Look at it again and repeat the command if it still makes sense".to_owned(),
            // These say it themselves.
            Self::Refused(
                Refusal::Command(_)
                | Refusal::Conflicted { .. }
                | Refusal::ManifestRefused { .. }
                | Refusal::Folder(_)
                | Refusal::NotEditable(_)
                | Refusal::NoFormer { .. }
                | Refusal::Token(_)
                | Refusal::Instance(_)
                | Refusal::Recovery(_)
                | Refusal::ReadOnly(_),
            ) => String::new(),
            Self::Refused(Refusal::Invalid(_)) => "Correct it; `shunt lint FILE` says the same, and warns of more".to_owned(),
            Self::Refused(Refusal::UnknownToken { .. }) => "`shunt token list` shows them".to_owned(),
            Self::Refused(Refusal::Unavailable(_)) | Self::NoAnswer => "See the log of `shunt serve`, then try again".to_owned(),
            Self::UnknownPath(_) => "The API starts with /v1/: rollouts, proxies, policy, explain, watch".to_owned(),
            Self::Method(_) => "See the `allow` header for what is".to_owned(),
            Self::Unreadable(_) => "Correct the request; `shunt --help` shows commands that write it for you".to_owned(),
            Self::TooLarge(_) => "Send less".to_owned(),
            Self::ForeignOrigin(_) => "Use the command line, or a page served from a loopback address".to_owned(),
            Self::ForeignHost(_) => {
                "Without TLS, name it 127.0.0.1, [::1] or localhost; a proxy in front must send one of them as `host`. Other names need \
                 `shunt serve --tls`"
                    .to_owned()
            }
            Self::Unauthenticated(_) => {
                "Send `authorization: Bearer TOKEN` (--token, --token-file, SHUNT_TOKEN); `shunt token create` makes one".to_owned()
            }
            Self::Forbidden { needs, .. } => format!("Use a token with the role {needs}: `shunt token create --role {needs} --name NAME`"),
            Self::Programs { .. } => "Use a token with the role admin, or put the manifest into the config folder yourself".to_owned(),
            Self::TooOften(_) => "See `retry-after`; `GET /v1/watch` tells changes without asking again".to_owned(),
            Self::Slow(_) => "Try again".to_owned(),
            Self::NotYet(_) => "Wait again, or look what it waits for: `shunt get`".to_owned(),
            Self::MediaType(_) => "Send application/json, or application/yaml where a manifest is meant".to_owned(),
            Self::KeyReused(_) => "Use a new key for a new request".to_owned(),
            Self::KeyOpen(_) => "Look what became of it, then try again, with a new key if it was not done".to_owned(),
            Self::IdentityMismatch(_) => {
                "`shunt envoy-bootstrap --node NODE --tls DIR` writes a bootstrap whose node and certificate agree".to_owned()
            }
            Self::Crowded(_) => "`shunt doctor` names the node; fewer services per proxy, or fewer workers, take less".to_owned(),
            Self::Busy(_) => "Try again in a second; nothing is lost".to_owned(),
            Self::Starting => "Try again in a second; `/readyz` says when it is ready".to_owned(),
            Self::Policy(_) => "This is a defect of Shunt: please report it with the output of GET /v1/policy".to_owned(),
        }
    }

    fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.code()),
            _ => None,
        }
    }

    fn known(&self) -> Vec<String> {
        match self {
            Self::UnknownRollout { known, .. } => known.iter().map(ToString::to_string).collect(),
            Self::Refused(Refusal::UnknownVersion { known, .. }) => known.iter().map(ToString::to_string).collect(),
            Self::Refused(Refusal::UnknownToken { known, .. }) => known.clone(),
            _ => Vec::new(),
        }
    }

    fn errors(&self) -> Vec<ManifestError> {
        match self {
            Self::Refused(Refusal::Invalid(errors)) => errors.clone(),
            _ => Vec::new(),
        }
    }

    /// As it goes over the wire.
    pub fn body(&self) -> ProblemBody {
        let (status, kind, title) = self.class();
        ProblemBody {
            kind: format!("urn:shunt:problem:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            code: self.code(),
            next: self.next(),
            known: self.known(),
            errors: self.errors(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, kind, _) = self.class();
        let mut response = (status, axum::Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::TooOften(wait) => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)))),
            Self::Unauthenticated(_) => drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            _ if status == StatusCode::SERVICE_UNAVAILABLE => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"))),
            _ => {}
        }
        response.extensions_mut().insert(Kind(kind));
        response
    }
}
