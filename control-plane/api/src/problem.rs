//! Errors as people and programs read them: `application/problem+json` (RFC 9457) with what to do next.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use shunt_core::identity::NotYou;
use shunt_filter_core::RolloutId;
use thiserror::Error;

use crate::app::Refusal;

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
    /// The connection does not speak for that proxy.
    #[error(transparent)]
    NotYou(#[from] NotYou),
    /// The process refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too much waits already.
    #[error("too many {0} wait to be taken")]
    Busy(&'static str),
    /// The process did not answer in time, or is ending.
    #[error("the control plane does not answer its own API")]
    NoAnswer,
    /// The policy that is published cannot be compiled; it should never have been.
    #[error("the published policy does not compile: {0}")]
    Policy(String),
}

/// A problem on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What to do next.
    #[serde(default)]
    pub next: String,
    /// What there is, when something unknown was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
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
            Self::Refused(Refusal::NotNow(_)) => (StatusCode::CONFLICT, "not-now", "Not possible in this state"),
            Self::Refused(Refusal::ReadOnly(_)) => (StatusCode::CONFLICT, "read-only", "The manifest cannot be edited"),
            Self::Refused(Refusal::Unavailable(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The control plane cannot do it now")
            }
            Self::UnknownPath(_) => (StatusCode::NOT_FOUND, "unknown-path", "Nothing here"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method", "Wrong method"),
            Self::Unreadable(_) => (StatusCode::BAD_REQUEST, "unreadable", "Not understood"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Self::ForeignOrigin(_) => (StatusCode::FORBIDDEN, "foreign-origin", "Not from other sites"),
            Self::NotYou(_) => (StatusCode::FORBIDDEN, "not-you", "Not your own name"),
            Self::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy"),
            Self::NoAnswer => (StatusCode::SERVICE_UNAVAILABLE, "no-answer", "No answer"),
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
            Self::Refused(Refusal::NotNow(_) | Refusal::ReadOnly(_)) => String::new(),
            Self::Refused(Refusal::Unavailable(_)) | Self::NoAnswer => "See the log of `shunt serve`, then try again".to_owned(),
            Self::UnknownPath(_) => "The API starts with /v1/: rollouts, proxies, policy, explain, watch".to_owned(),
            Self::Method(_) => "See the `allow` header for what is".to_owned(),
            Self::Unreadable(_) => "Correct the request; `shunt --help` shows commands that write it for you".to_owned(),
            Self::TooLarge(_) => "Send less".to_owned(),
            Self::ForeignOrigin(_) => "Use the command line, or a page served from a loopback address".to_owned(),
            Self::NotYou(_) => {
                "`shunt envoy-bootstrap --node NODE --tls DIR` writes a bootstrap whose node and certificate agree".to_owned()
            }
            Self::Busy(_) => "Try again in a second; nothing is lost".to_owned(),
            Self::Policy(_) => "This is a defect of Shunt: please report it with the output of GET /v1/policy".to_owned(),
        }
    }

    fn known(&self) -> Vec<String> {
        match self {
            Self::UnknownRollout { known, .. } => known.iter().map(ToString::to_string).collect(),
            Self::Refused(Refusal::UnknownVersion { known, .. }) => known.iter().map(ToString::to_string).collect(),
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
            next: self.next(),
            known: self.known(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.class().0;
        let mut response = (status, axum::Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
