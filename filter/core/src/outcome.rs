//! How a request ended, from what Envoy says about it in the log phase. One table decides, [`Outcome::ending`].
//!
//! Numbers and texts are Envoy's own: response flags by their position in `envoy/stream_info/stream_info.h`, details from
//! "Response Code Details" of its manual.

use serde::{Deserialize, Serialize};

use crate::exemplar::Answer;
use crate::method::Method;

/// What Envoy knows about an ended request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The request's method.
    pub method: Method,
    /// The response code; none when no response was begun.
    pub code: Option<u16>,
    /// Response flags, bit by position.
    pub flags: u64,
    /// Response code details, `via_upstream` for an upstream's own answer.
    pub details: String,
    /// The gRPC status; only set when the response's content-type is gRPC. What the request says is the client's word.
    pub grpc: Option<u32>,
    /// Whether the response had a body.
    pub body: Body,
    /// The reply is our own, made while traffic is held.
    pub held: bool,
}

/// Whether a response had a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Body {
    /// It was not looked at.
    #[default]
    Unread,
    /// It had none.
    Absent,
    /// It had one.
    Present,
}

/// What a request counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Its class.
    pub class: Class,
    /// Set for answers that are no failures and yet may be wrong.
    pub response: Option<ResponseClass>,
    /// What the client got, for people.
    pub answer: Option<Answer>,
}

/// How a request ended (design §3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Ended well.
    Succeeded,
    /// Ended badly, wherever it was made.
    Failed,
    /// The client left before the response's headers.
    Abandoned,
    /// The client left within the response.
    Cancelled,
    /// No version's: a reply of ours, an internal redirect, which Envoy logs besides the request that follows, CONNECT, a request
    /// that matched no route, one whose client broke the protocol.
    Uncounted,
}

/// Answers that are no failures in themselves; a version that gives more of them than stable is worse all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResponseClass {
    /// 3xx, except 304.
    Redirect,
    /// 4xx.
    Rejected,
    /// 2xx without a body. Not HEAD and OPTIONS, not 204 and 205, not gRPC, which have none by their nature.
    Empty,
    /// A gRPC status that is neither 0 nor a failure.
    RejectedGrpc,
}

impl ResponseClass {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Redirect, Self::Rejected, Self::Empty, Self::RejectedGrpc];
}

const fn bit(position: u32) -> u64 {
    1 << position
}

/// The client's connection ended (DC), or it reset its stream (DR).
const CLIENT_LEFT: u64 = bit(14) | bit(28);

/// The client broke the protocol (DPE), for example in the framing of its body.
const CLIENT_ERROR: u64 = bit(18);

/// No route matched (NR).
const NO_ROUTE: u64 = bit(8);

/// Upstream request timeout (UT), upstream duration (UMSDR).
const TIMEOUT: u64 = bit(2) | bit(19);
/// Local reset (LR), remote reset (UR), connection termination (UC), upstream protocol error (UPE).
const RESET: u64 = bit(3) | bit(4) | bit(6) | bit(23);
/// No healthy upstream (UH), connection failure (UF), no cluster (NC), DNS (DF).
const UNREACHABLE: u64 = bit(1) | bit(5) | bit(24) | bit(26);
/// Overflow (UO), overload drop (DO, UDO).
const OVERFLOW: u64 = bit(7) | bit(27) | bit(29);

/// How the upstream failed, by flags; the first that fits.
const FAILED_FLAGS: [(u64, Answer); 4] =
    [(UNREACHABLE, Answer::Unreachable), (OVERFLOW, Answer::Overflow), (TIMEOUT, Answer::Timeout), (RESET, Answer::Reset)];

/// Beginnings of details that mean the same but come without a flag in some versions of Envoy.
const FAILED_DETAILS: [(&str, Answer); 5] = [
    ("upstream_reset_", Answer::Reset),
    ("response_timeout", Answer::Timeout),
    ("upstream_per_try_", Answer::Timeout),
    ("upstream_max_stream_duration_reached", Answer::Timeout),
    ("no_healthy_upstream", Answer::Unreachable),
];

/// The stream was idle (flag SI), or lasted too long (no flag): the upstream's fault, except when the client had not sent all of its
/// request.
const STREAM_IDLE: u64 = bit(16);
const STREAM_DURATION: &str = "max_duration_timeout";

/// Statuses that are the server's fault: unknown (2), deadline exceeded (4), internal (13), unavailable (14), data loss (15).
const FAILED_GRPC: [u32; 5] = [2, 4, 13, 14, 15];

/// What Envoy makes of its own 408 and of other 4xx in a reply to a gRPC request (`source/common/grpc/status.cc`).
const GRPC_UNKNOWN: u32 = 2;

impl Outcome {
    /// The class; the order of the questions is the rule.
    #[inline(never)]
    pub fn ending(&self) -> Ending {
        let upstream = self.upstream_failed();
        let class = self.class(upstream);
        let timed_out = self.stream_was_cut() && !self.client_stalled();
        let answer = upstream.or_else(|| timed_out.then_some(Answer::Timeout)).or_else(|| self.status());
        Ending { class, response: self.response(class), answer }
    }

    fn class(&self, upstream: Option<Answer>) -> Class {
        if self.held || self.details == "internal_redirect" || self.method == Method::Connect || self.flags & NO_ROUTE != 0 {
            return Class::Uncounted;
        }
        if self.code == Some(101) {
            // An upgraded connection ended: well, whichever side closes it.
            return Class::Succeeded;
        }
        if self.flags & CLIENT_LEFT != 0 {
            return if self.code.is_none() { Class::Abandoned } else { Class::Cancelled };
        }
        if self.flags & CLIENT_ERROR != 0 {
            return Class::Uncounted;
        }
        if upstream.is_some() {
            return Class::Failed;
        }
        if self.stream_was_cut() {
            return Class::of(!self.client_stalled());
        }
        match (self.grpc, self.code) {
            (Some(status), Some(code)) if code < 400 => Class::of(is_failed_grpc(status)),
            (_, Some(code)) => Class::of(code >= 500),
            (_, None) => Class::Failed,
        }
    }

    /// A client that left within the response had its status all the same: browsers reset the stream of a redirect.
    fn response(&self, class: Class) -> Option<ResponseClass> {
        let code = match class {
            Class::Succeeded | Class::Cancelled => self.code?,
            Class::Failed | Class::Abandoned | Class::Uncounted => return None,
        };
        match (code, self.grpc) {
            (304, _) => None,
            (300..=399, _) => Some(ResponseClass::Redirect),
            (400..=499, _) => Some(ResponseClass::Rejected),
            (200..=299, Some(0)) => None,
            (200..=299, Some(status)) => (!is_failed_grpc(status)).then_some(ResponseClass::RejectedGrpc),
            (200..=299, None) => (class == Class::Succeeded && self.is_empty(code)).then_some(ResponseClass::Empty),
            _ => None,
        }
    }

    fn is_empty(&self, code: u16) -> bool {
        self.body == Body::Absent && has_body(self.method, code)
    }

    fn status(&self) -> Option<Answer> {
        match (self.grpc, self.code) {
            (Some(status), Some(code)) if code < 400 => Some(Answer::GrpcStatus(status)),
            (_, code) => code.map(Answer::Status),
        }
    }

    fn upstream_failed(&self) -> Option<Answer> {
        let flag = FAILED_FLAGS.iter().find(|(flags, _)| self.flags & flags != 0).map(|(_, answer)| *answer);
        flag.or_else(|| FAILED_DETAILS.iter().find(|(prefix, _)| self.details.starts_with(prefix)).map(|(_, answer)| *answer))
    }

    fn stream_was_cut(&self) -> bool {
        self.flags & STREAM_IDLE != 0 || self.details == STREAM_DURATION
    }

    /// Envoy answers 408 when the client had not sent all of its request, else 504; in the form of gRPC 2 or 14, without a body.
    fn client_stalled(&self) -> bool {
        self.code == Some(408) || (self.body == Body::Absent && self.grpc == Some(GRPC_UNKNOWN))
    }
}

/// Whether an answer that is no error usually has a body: [`Outcome::body`] matters only then.
pub fn has_body(method: Method, code: u16) -> bool {
    !matches!(method, Method::Head | Method::Options | Method::Connect) && matches!(code, 200..=299) && !matches!(code, 204 | 205)
}

impl Class {
    fn of(failed: bool) -> Self {
        if failed { Class::Failed } else { Class::Succeeded }
    }
}

/// True for gRPC statuses that are failures.
pub fn is_failed_grpc(status: u32) -> bool {
    FAILED_GRPC.contains(&status)
}

/// True for the content-types of gRPC over HTTP/2 (not gRPC-Web, whose status stands in the body).
pub fn is_grpc(content_type: &[u8]) -> bool {
    match content_type.strip_prefix(b"application/grpc") {
        Some(rest) => matches!(rest.first(), None | Some(b'+' | b';')),
        None => false,
    }
}

#[cfg(test)]
mod tests;
