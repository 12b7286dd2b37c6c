//! Reads how a request ended and who answered, in the log phase. Each value costs about 0.7 us, so only those are read that can matter.

use shunt_filter_core::exemplar::Answer;
use shunt_filter_core::method::Method;
use shunt_filter_core::names::HELD_HEADER;
use shunt_filter_core::outcome::{self, Body, Class, Outcome, ResponseClass, is_grpc};

use crate::arm::Arm;
use crate::host::{Host, Map};
use crate::lane::{Answered, Lane};
use crate::trail::Trail;

/// No time-out that has no flag of its own (`max_stream_duration`) is shorter. Nanoseconds.
const TIMEOUT_MIN: u64 = 100_000_000;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its class.
    pub(crate) class: Class,
    /// Set for answers that are no failures and yet may be wrong.
    pub(crate) response: Option<ResponseClass>,
    /// What the client got, for people.
    pub(crate) answer: Option<Answer>,
    /// The response's status; none when there was no response.
    pub(crate) code: Option<u16>,
    /// Who answered.
    pub(crate) answered: Answered,
    /// It became another protocol (101): the time to its response headers means nothing.
    pub(crate) upgraded: bool,
}

impl Ended {
    /// How a request ended at `now`, nanoseconds since 1970.
    #[inline(never)]
    pub(crate) fn read(host: &dyn Host, trail: &Trail, now: u64) -> Self {
        let lane = trail.lane.as_ref().map(|started| started.lane.as_ref());
        let code = integer(host, "response\0code").and_then(|code| u16::try_from(code).ok()).filter(|code| *code != 0);
        let flags = integer(host, "response\0flags").unwrap_or_default();
        let grpc = grpc(host, trail, code);
        let mut outcome = Outcome { method: trail.asked.method, code, flags, grpc, ..Outcome::default() };
        outcome.body = body(host, trail, &outcome);
        // What failed may be a reply of ours, which only the missing cluster tells.
        let suspect = code.is_none_or(|code| code >= 500) || grpc.is_some_and(outcome::is_failed_grpc);
        let answered = if trail.asked.method == Method::Connect {
            Answered::Decided
        } else if suspect || lane.is_some_and(|lane| lane.compares(now)) {
            answered(host, lane)
        } else {
            Answered::Decided
        };
        // Without a flag, details tell an internal redirect from an answer, and a stream that was cut for its duration.
        let lasted = now.saturating_sub(trail.asked.started);
        if flags == 0 && (lasted >= TIMEOUT_MIN || code.is_some_and(|code| (300..400).contains(&code))) {
            outcome.details = text(host, "response\0code_details");
        }
        outcome.held = answered == Answered::NoCluster && host.header(Map::Response, HELD_HEADER).is_some();
        let ending = outcome.ending();
        Self { class: ending.class, response: ending.response, answer: ending.answer, code, answered, upgraded: code == Some(101) }
    }
}

/// The gRPC status of a response that says it is gRPC. Envoy makes one up for every other one, and what the request said is the
/// client's word: it only spares asking where no analysis runs, because a client of gRPC always says so.
fn grpc(host: &dyn Host, trail: &Trail, code: Option<u16>) -> Option<u32> {
    let asks = trail.asked.grpc || trail.arms().next().is_some();
    if !asks || code.is_none_or(|code| code >= 400) || !host.header(Map::Response, "content-type").is_some_and(|value| is_grpc(&value)) {
        return None;
    }
    integer(host, "response\0grpc_status").and_then(|status| u32::try_from(status).ok())
}

/// Whether the response had a body, where that can matter: headers that end the stream say so for nothing, else its size does.
fn body(host: &dyn Host, trail: &Trail, outcome: &Outcome) -> Body {
    let usual = outcome.code.is_some_and(|code| outcome::has_body(outcome.method, code));
    if trail.bodiless {
        Body::Absent
    } else if outcome.grpc.is_some() || outcome.flags != 0 || !usual || !trail.arms().any(counts_empty) {
        Body::Unread
    } else {
        match integer(host, "response\0size") {
            Some(0) => Body::Absent,
            Some(_) => Body::Present,
            None => Body::Unread,
        }
    }
}

fn counts_empty(arm: &Arm) -> bool {
    arm.counts(ResponseClass::Empty)
}

fn answered(host: &dyn Host, lane: Option<&Lane>) -> Answered {
    if let Some(lane) = lane.filter(|lane| lane.is_aggregate())
        && let Some(version) = host.property("xds\0upstream_host_metadata\0filter_metadata\0shunt\0version")
    {
        return lane.endpoint(&version);
    }
    let cluster = host.property("xds\0cluster_name").unwrap_or_default();
    match lane {
        Some(lane) => lane.cluster(&cluster),
        None if cluster.is_empty() => Answered::NoCluster,
        None => Answered::Decided,
    }
}

/// Integers are eight bytes, little endian.
fn integer(host: &dyn Host, path: &str) -> Option<u64> {
    Some(u64::from_le_bytes(host.property(path)?.try_into().ok()?))
}

fn text(host: &dyn Host, path: &str) -> String {
    host.property(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
