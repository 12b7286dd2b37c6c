//! One request: decided when its headers come, its cookie set on the response, counted when it has ended.

use std::rc::Rc;
use std::time::Duration;

use shunt_filter_core::decision::{FlagsHeader, Generated};
use shunt_filter_core::names::{FLAGS_HEADER, ROUTE_HEADER};
use shunt_filter_core::outcome::is_grpc;
use shunt_filter_core::{Decision, Reason, Request};

use crate::ending::Ended;
use crate::gather::gather;
use crate::host::{self, Map};
use crate::lane::Lane;
use crate::vm;

/// What a decided request leaves behind until it is counted.
#[derive(Debug)]
pub(crate) struct Trail {
    lane: Rc<Lane>,
    /// Its slot in the epoch it was decided under.
    slot: Option<u16>,
    /// Nanoseconds since 1970.
    started: u64,
    /// To the response's headers.
    latency: Option<Duration>,
    set_cookie: Option<String>,
    /// By its content-type.
    grpc: bool,
}

/// A request's headers are there: decides it.
pub(crate) fn request(context: u32, end_of_stream: bool) {
    #[cfg(feature = "panic-on-request-header")]
    crate::fault::panic_if_asked();
    vm::with(|vm| {
        let Some(policy) = vm.policy().filter(|policy| !policy.router.services().is_empty()) else {
            return remove_if(host::header(Map::Request, ROUTE_HEADER).is_some());
        };
        let headers = host::headers(Map::Request);
        remove_if(headers.has(ROUTE_HEADER));
        let found = headers.first(":authority").and_then(|authority| policy.lookup(authority));
        let Some((service, lanes)) = found else { return };
        let request = gather(&headers, service.needs(), end_of_stream, vm.random.next());
        let decision = service.decide(&request);
        if decision.reason == Reason::Shadow {
            return;
        }
        write(&request, &decision);
        let Some(lane) = lanes.iter().find(|lane| lane.version() == decision.version) else { return };
        let slot = lane.start(&decision);
        vm.counters.touch();
        let grpc = headers.first("content-type").is_some_and(is_grpc);
        let set_cookie = decision.generated.map(|generated| generated.set_cookie);
        let trail = Trail { lane: Rc::clone(lane), slot, started: host::now(), latency: None, set_cookie, grpc };
        vm.trails.borrow_mut().insert(context, trail);
    });
}

/// An inbound route header never counts. Removing clears the route cache, even when there is nothing to remove.
fn remove_if(present: bool) {
    if present {
        host::remove_header(Map::Request, ROUTE_HEADER);
    }
}

/// A response's headers are there: takes the time, sets the cookie of a generated id.
pub(crate) fn response(context: u32) {
    vm::with(|vm| {
        let mut trails = vm.trails.borrow_mut();
        let Some(trail) = trails.get_mut(&context) else { return };
        trail.latency = Some(Duration::from_nanos(host::now().saturating_sub(trail.started)));
        if let Some(cookie) = trail.set_cookie.take()
            && !is_public()
        {
            host::add_header(Map::Response, "set-cookie", cookie.as_bytes());
        }
    });
}

/// A request has ended: counts it. Its trail is taken, so it is counted once, and one that was never decided not at all.
pub(crate) fn log(context: u32) {
    vm::with(|vm| {
        let Some(trail) = vm.trails.borrow_mut().remove(&context) else { return };
        let ended = Ended::read(&trail.lane, trail.started, host::now(), trail.grpc);
        trail.lane.end(trail.slot, ended, trail.latency);
        vm.counters.touch();
    });
}

/// The only writes of the request phase; each clears the route cache, so none is made without need.
fn write(request: &Request, decision: &Decision<'_>) {
    if let Some(route) = decision.route {
        host::set_header(Map::Request, ROUTE_HEADER, route.as_bytes());
    }
    match &decision.flags_header {
        FlagsHeader::Keep => {}
        FlagsHeader::Remove => {
            host::remove_header(Map::Request, FLAGS_HEADER);
        }
        FlagsHeader::Set(flags) => {
            host::remove_header(Map::Request, FLAGS_HEADER);
            host::add_header(Map::Request, FLAGS_HEADER, flags.as_bytes());
        }
    }
    if let Some(generated) = &decision.generated {
        add_cookie(request, generated);
    }
}

/// The service behind sees the generated id already in this request. Setting a header drops its further lines, so all of them are
/// joined, as cookies are (RFC 9113, 8.2.3).
fn add_cookie(request: &Request, generated: &Generated<'_>) {
    let pair = format!("{}={}", generated.cookie, generated.value);
    let sent = request.headers.iter().filter(|(name, line)| name == "cookie" && !line.is_empty()).map(|(_, line)| line.as_slice());
    let lines: Vec<&[u8]> = sent.chain([pair.as_bytes()]).collect();
    host::set_header(Map::Request, "cookie", &lines.join(b"; ".as_slice()));
}

/// True for `cache-control: public`: a shared cache would hand one user's id to others.
fn is_public() -> bool {
    let headers = host::headers(Map::Response);
    let mut lines = headers.iter().filter(|(name, _)| *name == b"cache-control");
    lines.any(|(_, line)| line.split(|byte| *byte == b',').any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"public")))
}
