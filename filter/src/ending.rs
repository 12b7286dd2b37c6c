//! Reads how a request ended and who answered, in the log phase. Each value costs about 0.7 us, so only those are read that can matter.

use shunt_filter_core::names::HELD_HEADER;
use shunt_filter_core::outcome::{Class, Outcome};

use crate::host::{self, Map};
use crate::lane::{Answered, Lane};

/// No time-out that has no flag of its own (`max_stream_duration`) is shorter. Nanoseconds.
const TIMEOUT_MIN: u64 = 100_000_000;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its class.
    pub(crate) class: Class,
    /// The response's status; none when there was no response.
    pub(crate) code: Option<u16>,
    /// Who answered.
    pub(crate) answered: Answered,
    /// It became another protocol (101): the time to its response headers means nothing.
    pub(crate) upgraded: bool,
}

impl Ended {
    /// How a request ended now that was decided for `lane` (none: no service of ours) and began at `started`, both in nanoseconds
    /// since 1970.
    pub(crate) fn read(lane: Option<&Lane>, started: u64, now: u64, grpc: bool) -> Self {
        let code = integer("response\0code").and_then(|code| u16::try_from(code).ok()).filter(|code| *code != 0);
        let flags = integer("response\0flags").unwrap_or_default();
        // What failed may be a reply of ours, which only the missing cluster tells.
        let suspect = grpc || code.is_none_or(|code| code >= 500);
        let answered = if suspect || lane.is_some_and(|lane| lane.compares(now)) { answered(lane) } else { Answered::Decided };
        let mut outcome = Outcome { code, flags, ..Outcome::default() };
        // Without a flag, details tell an internal redirect from an answer, and a stream that was cut for its duration.
        if flags == 0 && (now.saturating_sub(started) >= TIMEOUT_MIN || code.is_some_and(|code| (300..400).contains(&code))) {
            outcome.details = text("response\0code_details");
        }
        outcome.held = answered == Answered::Nobody && host::header(Map::Response, HELD_HEADER).is_some();
        // Every request seems to have a status of gRPC.
        outcome.grpc = if grpc { integer("response\0grpc_status").and_then(|status| u32::try_from(status).ok()) } else { None };
        Self { class: outcome.ending().class, code, answered, upgraded: code == Some(101) }
    }
}

fn answered(lane: Option<&Lane>) -> Answered {
    if let Some(lane) = lane.filter(|lane| lane.is_aggregate())
        && let Some(version) = host::property("xds\0upstream_host_metadata\0filter_metadata\0shunt\0version")
    {
        return lane.endpoint(&version);
    }
    let cluster = host::property("xds\0cluster_name").unwrap_or_default();
    match lane {
        Some(lane) => lane.cluster(&cluster),
        None if cluster.is_empty() => Answered::Nobody,
        None => Answered::Decided,
    }
}

/// Integers are eight bytes, little endian.
fn integer(path: &str) -> Option<u64> {
    Some(u64::from_le_bytes(host::property(path)?.try_into().ok()?))
}

fn text(path: &str) -> String {
    host::property(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
