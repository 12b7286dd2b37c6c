//! One request: decided when its headers come, its cookie set on the response, counted when it has ended.

use std::rc::Rc;
use std::time::Duration;

use shunt_filter_core::decision::{Counted, FlagDecision, FlagsHeader, Generated};
use shunt_filter_core::names::{FLAGS_HEADER, ROUTE_HEADER};
use shunt_filter_core::outcome::is_grpc;
use shunt_filter_core::{Decision, Decisions, Reason, Request};

use crate::ending::Ended;
use crate::gather::gather;
use crate::host::{self, Map};
use crate::lane::Lane;
use crate::vm;

/// What a decided request leaves behind until it is counted.
#[derive(Debug)]
pub(crate) struct Trail {
    /// Of the service; none: no service of ours has this host.
    lane: Option<Started>,
    /// One per flag.
    flags: Vec<Started>,
    /// Nanoseconds since 1970.
    started: u64,
    /// To the response's headers.
    latency: Option<Duration>,
    set_cookies: Vec<String>,
    /// By its content-type.
    grpc: bool,
}

/// Where a request is counted, and where in the epoch it was decided under.
#[derive(Debug)]
struct Started {
    lane: Rc<Lane>,
    counted: Option<Counted>,
}

/// A request's headers are there: decides it.
pub(crate) fn request(context: u32, end_of_stream: bool) {
    #[cfg(feature = "panic-on-request-header")]
    crate::fault::panic_if_asked();
    vm::with(|vm| {
        let Some(policy) = vm.policy().filter(|policy| !policy.is_empty()) else {
            return remove_if(host::header(Map::Request, ROUTE_HEADER).is_some());
        };
        let headers = host::headers(Map::Request);
        remove_if(headers.has(ROUTE_HEADER));
        let found = headers.first(":authority").and_then(|authority| policy.router.site_bytes(authority));
        let Some(site) = found else { return };
        let request = gather(&headers, site.needs(), end_of_stream, vm.random.next());
        let decisions = site.decide(&request);
        let service = decisions.service.as_ref().filter(|decision| decision.reason != Reason::Shadow);
        if service.is_none() && decisions.flags.is_empty() {
            return;
        }
        write(&request, &decisions);
        let lane = service.and_then(|decision| Some(start(policy.lane(&site, decision.version)?, decision)));
        let flags = policy.flag_lanes(&site).zip(&decisions.flags).filter_map(|(lanes, decision)| start_flag(lanes, decision)).collect();
        vm.counters.touch();
        let set_cookies = decisions.generated().into_iter().map(|generated| generated.set_cookie.clone()).collect();
        let grpc = headers.first("content-type").is_some_and(is_grpc);
        let trail = Trail { lane, flags, started: host::now(), latency: None, set_cookies, grpc };
        vm.trails.borrow_mut().insert(context, trail);
    });
}

fn start(lane: &Rc<Lane>, decision: &Decision<'_>) -> Started {
    let counted = lane.start(&decision.reason, decision.keyless, decision.counted);
    if let Some(mirror) = decision.mirror {
        lane.mirrored(mirror);
    }
    Started { lane: Rc::clone(lane), counted }
}

fn start_flag(lanes: &[Rc<Lane>], decision: &FlagDecision<'_>) -> Option<Started> {
    let lane = lanes.iter().find(|lane| lane.version() == decision.version)?;
    let counted = lane.start(&decision.reason, decision.keyless, decision.counted);
    Some(Started { lane: Rc::clone(lane), counted })
}

/// An inbound route header never counts. Removing clears the route cache, even when there is nothing to remove.
fn remove_if(present: bool) {
    if present {
        host::remove_header(Map::Request, ROUTE_HEADER);
    }
}

/// A response's headers are there: takes the time, sets the cookie of an id that was generated or signed anew.
pub(crate) fn response(context: u32) {
    vm::with(|vm| {
        let mut trails = vm.trails.borrow_mut();
        let Some(trail) = trails.get_mut(&context) else { return };
        trail.latency = Some(Duration::from_nanos(host::now().saturating_sub(trail.started)));
        if trail.set_cookies.is_empty() || is_public() {
            return;
        }
        for cookie in trail.set_cookies.drain(..) {
            host::add_header(Map::Response, "set-cookie", cookie.as_bytes());
        }
    });
}

/// A request has ended: counts it. Its trail is taken, so it is counted once, and one that was never decided not at all.
pub(crate) fn log(context: u32) {
    vm::with(|vm| {
        let Some(trail) = vm.trails.borrow_mut().remove(&context) else { return };
        let lane = trail.lane.as_ref().map(|started| started.lane.as_ref());
        let ended = Ended::read(lane, trail.started, host::now(), trail.grpc);
        for Started { lane, counted } in trail.lane.iter().chain(&trail.flags) {
            lane.end(*counted, ended, trail.latency, &vm.random);
        }
        vm.counters.touch();
    });
}

/// The only writes of the request phase; each clears the route cache, so none is made without need.
fn write(request: &Request, decisions: &Decisions<'_>) {
    if let Some(route) = decisions.service.as_ref().and_then(|decision| decision.route) {
        host::set_header(Map::Request, ROUTE_HEADER, route.as_bytes());
    }
    match &decisions.flags_header {
        FlagsHeader::Keep => {}
        FlagsHeader::Remove => {
            host::remove_header(Map::Request, FLAGS_HEADER);
        }
        FlagsHeader::Set(flags) => {
            host::remove_header(Map::Request, FLAGS_HEADER);
            host::add_header(Map::Request, FLAGS_HEADER, flags.as_bytes());
        }
    }
    let mut generated = decisions.generated();
    generated.retain(|generated| generated.is_new());
    if !generated.is_empty() {
        add_cookies(request, &generated);
    }
}

/// The service behind sees the generated ids already in this request. Setting a header drops its further lines, so all of them are
/// joined, as cookies are (RFC 9113, 8.2.3).
fn add_cookies(request: &Request, generated: &[&Generated<'_>]) {
    let pairs: Vec<String> = generated.iter().map(|generated| format!("{}={}", generated.cookie, generated.value)).collect();
    let sent = request.headers.iter().filter(|(name, line)| name == "cookie" && !line.is_empty()).map(|(_, line)| line.as_slice());
    let lines: Vec<&[u8]> = sent.chain(pairs.iter().map(String::as_bytes)).collect();
    host::set_header(Map::Request, "cookie", &lines.join(b"; ".as_slice()));
}

/// True for `cache-control: public`: a shared cache would hand one user's id to others.
fn is_public() -> bool {
    let headers = host::headers(Map::Response);
    let mut lines = headers.iter().filter(|(name, _)| *name == b"cache-control");
    lines.any(|(_, line)| line.split(|byte| *byte == b',').any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"public")))
}
