//! The table of classes. Code, flags and details as a real Envoy 1.40 gives them.

use super::*;
use test_case::test_case;

fn outcome(code: u16, flags: u64, details: &str) -> Outcome {
    Outcome { method: Method::Get, code: (code != 0).then_some(code), flags, details: details.to_owned(), ..Outcome::default() }
}

fn grpc(code: u16, status: u32) -> Outcome {
    Outcome { method: Method::Post, grpc: Some(status), ..outcome(code, 0, "via_upstream") }
}

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
#[test_case(0, 1 << 14, "downstream_remote_disconnect", Class::Abandoned; "the client left before an answer")]
#[test_case(0, 1 << 28, "", Class::Abandoned; "the client reset its stream before an answer")]
#[test_case(0, 1 << 28 | 1 << 2, "response_timeout", Class::Abandoned; "the client comes before a timeout")]
#[test_case(200, 1 << 14, "downstream_remote_disconnect", Class::Cancelled; "the client left within the body")]
#[test_case(200, 1 << 28, "via_upstream", Class::Cancelled; "the client reset its stream")]
#[test_case(503, 1 << 28 | 1 << 6, "", Class::Cancelled; "the client comes first")]
#[test_case(101, 1 << 6, "upstream_reset_after_response_started{connection_termination}", Class::Succeeded; "the upstream closed a WebSocket")]
#[test_case(101, 1 << 14, "downstream_remote_disconnect", Class::Succeeded; "the client closed a WebSocket")]
#[test_case(302, 0, "internal_redirect", Class::Uncounted; "internal redirect")]
#[test_case(302, 0, "via_upstream", Class::Succeeded; "a redirect for the client")]
#[test_case(404, 1 << 8, "route_not_found", Class::Uncounted; "no route")]
#[test_case(0, 1 << 8 | 1 << 14, "", Class::Uncounted; "no route, and the client left")]
#[test_case(400, 1 << 18, "http1.codec_error", Class::Uncounted; "the client broke the protocol")]
#[test_case(0, 1 << 18, "http1.codec_error", Class::Uncounted; "the client broke the protocol before an answer")]
#[test_case(0, 0, "", Class::Failed; "no answer, and Envoy does not say why")]
fn classes(code: u16, flags: u64, details: &str, class: Class) {
    assert_eq!(outcome(code, flags, details).ending().class, class);
}

#[test_case(200, 0, Class::Succeeded, None; "ok")]
#[test_case(200, 5, Class::Succeeded, Some(ResponseClass::RejectedGrpc); "not found is the client's")]
#[test_case(200, 16, Class::Succeeded, Some(ResponseClass::RejectedGrpc); "unauthenticated")]
#[test_case(200, 2, Class::Failed, None; "unknown")]
#[test_case(200, 14, Class::Failed, None; "unavailable")]
#[test_case(503, 0, Class::Failed, None; "not an answer of gRPC at all")]
#[test_case(404, 0, Class::Succeeded, Some(ResponseClass::Rejected); "rejected before gRPC")]
fn of_grpc(code: u16, status: u32, class: Class, response: Option<ResponseClass>) {
    let ending = grpc(code, status).ending();
    assert_eq!((ending.class, ending.response), (class, response));
}

#[test_case(Body::Absent, 2, Class::Succeeded; "the client stalled: 408 in the form of gRPC")]
#[test_case(Body::Absent, 14, Class::Failed; "the upstream was silent: 504 in the form of gRPC")]
#[test_case(Body::Present, 2, Class::Failed; "a stream of messages that was cut has no status but a made-up one")]
fn idle_streams_of_grpc(body: Body, status: u32, class: Class) {
    let idle = Outcome { grpc: Some(status), body, ..outcome(200, STREAM_IDLE, "stream_idle_timeout") };
    assert_eq!(idle.ending().class, class);
}

#[test_case(302, Some(ResponseClass::Redirect))]
#[test_case(301, Some(ResponseClass::Redirect))]
#[test_case(304, None; "not modified")]
#[test_case(400, Some(ResponseClass::Rejected))]
#[test_case(401, Some(ResponseClass::Rejected))]
#[test_case(404, Some(ResponseClass::Rejected))]
#[test_case(429, Some(ResponseClass::Rejected))]
#[test_case(200, None)]
#[test_case(500, None; "a failure is no class of its own")]
#[test_case(101, None; "an upgrade")]
fn response_classes(code: u16, response: Option<ResponseClass>) {
    assert_eq!(outcome(code, 0, "via_upstream").ending().response, response);
    let cancelled = outcome(code, 1 << 28, "via_upstream").ending().response;
    assert_eq!(cancelled, response.filter(|_| code < 500), "also when the client left within it");
}

#[test_case(Method::Get, 200, Body::Absent, true; "empty where there is usually something")]
#[test_case(Method::Get, 200, Body::Present, false; "with a body")]
#[test_case(Method::Get, 200, Body::Unread, false; "not looked at")]
#[test_case(Method::Post, 201, Body::Absent, true; "created, says nothing")]
#[test_case(Method::Head, 200, Body::Absent, false; "HEAD")]
#[test_case(Method::Options, 200, Body::Absent, false; "OPTIONS")]
#[test_case(Method::Delete, 204, Body::Absent, false; "no content")]
#[test_case(Method::Post, 205, Body::Absent, false; "reset content")]
#[test_case(Method::Get, 304, Body::Absent, false; "not modified")]
#[test_case(Method::Get, 404, Body::Absent, false; "rejected is rejected, empty or not")]
fn empty_answers(method: Method, code: u16, body: Body, empty: bool) {
    let response = Outcome { method, body, ..outcome(code, 0, "via_upstream") }.ending().response;
    assert_eq!(response == Some(ResponseClass::Empty), empty);
}

#[test]
fn a_grpc_answer_without_messages_is_not_empty() {
    assert_eq!(Outcome { body: Body::Absent, ..grpc(200, 0) }.ending().response, None);
}

#[test]
fn a_client_that_left_had_no_time_for_a_body() {
    assert_eq!(Outcome { body: Body::Absent, ..outcome(200, 1 << 14, "") }.ending().response, None);
}

#[test_case(Outcome { held: true, ..outcome(503, 0, "direct_response") }; "held")]
#[test_case(Outcome { held: true, ..grpc(200, 14) }; "held, gRPC")]
#[test_case(Outcome { method: Method::Connect, ..outcome(404, 1 << 8, "route_not_found") }; "CONNECT without a route")]
#[test_case(Outcome { method: Method::Connect, ..outcome(200, 0, "via_upstream") }; "CONNECT")]
#[test_case(Outcome { method: Method::Connect, ..outcome(503, 1 << 5, "") }; "CONNECT that fails")]
#[test_case(Outcome { flags: 1 << 8, ..grpc(200, 12) }; "no route, gRPC")]
fn what_is_no_versions_is_not_counted(outcome: Outcome) {
    let ending = outcome.ending();
    assert_eq!((ending.class, ending.response), (Class::Uncounted, None));
}

#[test_case(outcome(503, 0, "via_upstream"), Some(Answer::Status(503)); "a status")]
#[test_case(grpc(200, 13), Some(Answer::GrpcStatus(13)); "a gRPC status")]
#[test_case(grpc(503, 0), Some(Answer::Status(503)); "no gRPC")]
#[test_case(outcome(503, 1 << 5, "upstream_reset_before_response_started{connection_failure}"), Some(Answer::Unreachable); "refused")]
#[test_case(outcome(503, 1 << 6, "upstream_reset_before_response_started{connection_termination}"), Some(Answer::Reset); "reset")]
#[test_case(outcome(200, 0, "upstream_reset_after_response_started{}"), Some(Answer::Reset); "reset within the body")]
#[test_case(outcome(504, 1 << 2, "response_timeout"), Some(Answer::Timeout); "timeout")]
#[test_case(outcome(504, 1 << 16, "stream_idle_timeout"), Some(Answer::Timeout); "idle")]
#[test_case(outcome(408, 1 << 16, "stream_idle_timeout"), Some(Answer::Status(408)); "the client stalled")]
#[test_case(outcome(503, 1 << 7, "upstream_reset_before_response_started{overflow}"), Some(Answer::Overflow); "overflow")]
#[test_case(outcome(0, 1 << 14, ""), None; "nothing")]
fn answers(outcome: Outcome, answer: Option<Answer>) {
    assert_eq!(outcome.ending().answer, answer);
}

#[test_case("application/grpc", true; "plain")]
#[test_case("application/grpc+proto", true; "with its encoding")]
#[test_case("application/grpc; charset=utf-8", true; "with a parameter")]
#[test_case("application/grpc-web", false; "gRPC-Web")]
#[test_case("application/json", false; "something else")]
#[test_case("", false; "nothing")]
fn content_types(text: &str, grpc: bool) {
    assert_eq!(is_grpc(text.as_bytes()), grpc);
}
