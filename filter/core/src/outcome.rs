//! How a request ended, from what Envoy says about it in the log phase.
//!
//! Numbers and texts are Envoy's own: response flags by their position in `envoy/stream_info/stream_info.h`, details from
//! "Response Code Details" of its manual.

/// What Envoy knows about an ended request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The response code; none when no response was begun.
    pub code: Option<u16>,
    /// Response flags, bit by position.
    pub flags: u64,
    /// Response code details, `via_upstream` for an upstream's own answer.
    pub details: String,
    /// The gRPC status; only set when the request's content-type was gRPC.
    pub grpc: Option<u32>,
    /// The reply is our own, made while traffic is held.
    pub held: bool,
}

/// How a request ended (design §3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Ended well.
    Succeeded,
    /// Ended badly, wherever it was made.
    Failed,
    /// The client left.
    Cancelled,
    /// A reply of ours, or an internal redirect, which Envoy logs besides the request that follows.
    Uncounted,
}

const fn bit(position: u32) -> u64 {
    1 << position
}

/// The client's connection ended (DC), or it reset its stream (DR).
const CLIENT_LEFT: u64 = bit(14) | bit(28);

/// No healthy upstream (UH), request timeout (UT), local reset (LR), remote reset (UR), connection failure (UF), connection
/// termination (UC), overflow (UO), upstream duration (UMSDR), upstream protocol error (UPE), no cluster (NC), DNS (DF), overload
/// drop (DO, UDO).
const UPSTREAM_FAILED: u64 =
    bit(1) | bit(2) | bit(3) | bit(4) | bit(5) | bit(6) | bit(7) | bit(19) | bit(23) | bit(24) | bit(26) | bit(27) | bit(29);

/// Beginnings of details that mean the same but come without a flag in some versions of Envoy.
const FAILED_DETAILS: [&str; 5] =
    ["upstream_reset_", "response_timeout", "upstream_per_try_", "upstream_max_stream_duration_reached", "no_healthy_upstream"];

/// The stream was idle (flag SI), or lasted too long (no flag): ours or the upstream's, except with 408, when the client had not
/// sent all of its request.
const STREAM_IDLE: u64 = bit(16);
const STREAM_DURATION: &str = "max_duration_timeout";

/// Statuses that are the server's fault: unknown (2), deadline exceeded (4), internal (13), unavailable (14), data loss (15).
const FAILED_GRPC: [u32; 5] = [2, 4, 13, 14, 15];

impl Outcome {
    /// The class; the order of the questions is the rule.
    pub fn class(&self) -> Class {
        if self.held || self.details == "internal_redirect" {
            return Class::Uncounted;
        }
        if self.code == Some(101) {
            // An upgraded connection ended: well, whoever closes it.
            return Class::Succeeded;
        }
        if self.flags & CLIENT_LEFT != 0 {
            return Class::Cancelled;
        }
        if self.upstream_failed() || self.stream_timed_out() {
            return Class::Failed;
        }
        match (self.grpc, self.code) {
            (Some(status), Some(code)) if code < 400 => Class::of(FAILED_GRPC.contains(&status)),
            (_, Some(code)) => Class::of(code >= 500),
            (_, None) => Class::Failed,
        }
    }

    fn upstream_failed(&self) -> bool {
        self.flags & UPSTREAM_FAILED != 0 || FAILED_DETAILS.iter().any(|prefix| self.details.starts_with(prefix))
    }

    fn stream_timed_out(&self) -> bool {
        (self.flags & STREAM_IDLE != 0 || self.details == STREAM_DURATION) && self.code != Some(408)
    }
}

impl Class {
    fn of(failed: bool) -> Self {
        if failed { Class::Failed } else { Class::Succeeded }
    }
}

/// True for the content-types of gRPC over HTTP/2 (not gRPC-Web, whose status stands in the body).
pub fn is_grpc(content_type: &[u8]) -> bool {
    match content_type.strip_prefix(b"application/grpc") {
        Some(rest) => matches!(rest.first(), None | Some(b'+' | b';')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn outcome(code: u16, flags: u64, details: &str) -> Outcome {
        Outcome { code: (code != 0).then_some(code), flags, details: details.to_owned(), grpc: None, held: false }
    }

    // Code, flags and details as a real Envoy 1.40 gives them.
    #[test_case(200, 0, "via_upstream", Class::Succeeded; "an answer")]
    #[test_case(404, 0, "via_upstream", Class::Succeeded; "the client asked for nothing that exists")]
    #[test_case(500, 0, "via_upstream", Class::Failed; "the upstream failed")]
    #[test_case(503, 0, "direct_response", Class::Failed; "a local reply counts wherever it was made")]
    #[test_case(503, 1 << 1, "no_healthy_upstream", Class::Failed; "no healthy upstream")]
    #[test_case(503, 1 << 24, "cluster_not_found", Class::Failed; "missing cluster")]
    #[test_case(503, 1 << 5, "upstream_reset_before_response_started{connection_failure}", Class::Failed; "refused")]
    #[test_case(503, 1 << 6, "upstream_reset_before_response_started{connection_termination}", Class::Failed; "reset")]
    #[test_case(200, 1 << 23, "upstream_reset_after_response_started{protocol_error}", Class::Failed; "reset within the body")]
    #[test_case(200, 0, "upstream_reset_after_response_started{}", Class::Failed; "reset within the body without a flag")]
    #[test_case(504, 1 << 2, "response_timeout", Class::Failed; "timeout")]
    #[test_case(504, 0, "max_duration_timeout", Class::Failed; "the stream lasted too long")]
    #[test_case(200, 0, "max_duration_timeout", Class::Failed; "it lasted too long after headers")]
    #[test_case(408, 0, "max_duration_timeout", Class::Succeeded; "the client did not send its request in time")]
    #[test_case(504, 1 << 16, "stream_idle_timeout", Class::Failed; "idle")]
    #[test_case(408, 1 << 16, "stream_idle_timeout", Class::Succeeded; "the client stalled")]
    #[test_case(503, 1 << 7, "upstream_reset_before_response_started{overflow}", Class::Failed; "overflow")]
    #[test_case(0, 1 << 14, "downstream_remote_disconnect", Class::Cancelled; "the client left before an answer")]
    #[test_case(200, 1 << 14, "downstream_remote_disconnect", Class::Cancelled; "the client left within the body")]
    #[test_case(200, 1 << 28, "via_upstream", Class::Cancelled; "the client reset its stream")]
    #[test_case(503, 1 << 28 | 1 << 6, "", Class::Cancelled; "the client comes first")]
    #[test_case(101, 1 << 6, "upstream_reset_after_response_started{connection_termination}", Class::Succeeded; "the upstream closed a WebSocket")]
    #[test_case(101, 1 << 14, "downstream_remote_disconnect", Class::Succeeded; "the client closed a WebSocket")]
    #[test_case(302, 0, "internal_redirect", Class::Uncounted; "internal redirect")]
    #[test_case(302, 0, "via_upstream", Class::Succeeded; "a redirect for the client")]
    fn classes(code: u16, flags: u64, details: &str, class: Class) {
        assert_eq!(outcome(code, flags, details).class(), class);
    }

    #[test_case(200, 0, Class::Succeeded; "ok")]
    #[test_case(200, 5, Class::Succeeded; "not found is the client's")]
    #[test_case(200, 14, Class::Failed; "unavailable")]
    #[test_case(503, 0, Class::Failed; "not an answer of gRPC at all")]
    fn grpc(code: u16, status: u32, class: Class) {
        assert_eq!(Outcome { grpc: Some(status), ..outcome(code, 0, "via_upstream") }.class(), class);
    }

    #[test]
    fn a_held_reply_is_not_counted() {
        assert_eq!(Outcome { held: true, ..outcome(503, 0, "direct_response") }.class(), Class::Uncounted);
    }

    #[test_case("application/grpc", true; "plain")]
    #[test_case("application/grpc+proto", true; "with its encoding")]
    #[test_case("application/grpc; charset=utf-8", true; "with a parameter")]
    #[test_case("application/grpc-web", false; "gRPC-Web")]
    #[test_case("application/json", false; "something else")]
    fn content_types(text: &str, grpc: bool) {
        assert_eq!(is_grpc(text.as_bytes()), grpc);
    }
}
