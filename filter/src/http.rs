//! One request: decided when its headers come, its cookie set on the response, counted when it has ended.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use shunt_filter_core::decision::{FlagDecision, FlagsHeader, Generated};
use shunt_filter_core::method::Method;
use shunt_filter_core::names::{FLAGS_HEADER, ROUTE_HEADER};
use shunt_filter_core::outcome::is_grpc;
use shunt_filter_core::template::template;
use shunt_filter_core::{Decision, Decisions, Headers, Reason, Request, Site};

use crate::ending::Ended;
use crate::host::{Host, Map};
use crate::lane::Lane;
use crate::trail::{Asked, Started, Trail};
use crate::vm::{Installed, Vm};

#[cfg(test)]
mod tests;

/// One request in the proxy, from its headers on.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// None: nothing of it was decided, or it was counted.
    trail: Option<Rc<RefCell<Trail>>>,
}

impl Stream {
    /// A request's headers are there: decides it.
    pub(crate) fn request(&mut self, vm: &Vm, context: u32, end_of_stream: bool) {
        let host = vm.host();
        #[cfg(feature = "panic-on-request-header")]
        crate::fault::panic_if_asked(host);
        let Some(policy) = vm.policy().filter(|policy| !policy.is_empty()) else {
            return remove_if(host, host.header(Map::Request, ROUTE_HEADER).is_some());
        };
        let Some((headers, site)) = read(vm, &policy) else { return };
        let request = headers.request(site.needs(), end_of_stream, vm.random.next());
        let decisions = site.decide(&request);
        let service = decisions.service.as_ref().filter(|decision| decision.reason != Reason::Shadow);
        if service.is_none() && decisions.flags.is_empty() {
            return;
        }
        write(host, &request, &decisions);
        let lane = service.and_then(|decision| Some(start(policy.lane(&site, decision.version)?, decision)));
        let flags: Vec<_> =
            policy.flag_lanes(&site).zip(&decisions.flags).filter_map(|(lanes, decision)| start_flag(lanes, decision)).collect();
        vm.counters.touch();
        let set_cookies = decisions.generated().into_iter().map(|generated| generated.set_cookie.clone()).collect();
        let watched = lane.iter().chain(&flags).any(|started| started.arm().is_some());
        let trail = Rc::new(RefCell::new(Trail::new(lane, flags, asked(host, &headers, watched), set_cookies)));
        vm.watch(context, &trail);
        self.trail = Some(trail);
    }

    /// A response's headers are there: takes the time, sets the cookie of an id that was generated or signed anew.
    pub(crate) fn response(&mut self, vm: &Vm, context: u32, end_of_stream: bool) {
        let host = vm.host();
        let Some(trail) = &self.trail else { return };
        let mut trail = trail.borrow_mut();
        vm.forget_due(context, &mut trail);
        trail.latency = Some(Duration::from_nanos(host.now().saturating_sub(trail.asked.started)));
        trail.bodiless = end_of_stream;
        // A shared cache would hand one user's id to others.
        if trail.set_cookies.is_empty() || host.headers(Map::Response).is_public() {
            return;
        }
        for cookie in trail.set_cookies.drain(..) {
            host.add_header(Map::Response, "set-cookie", cookie.as_bytes());
        }
    }

    /// A request has ended: counts it. Its trail is taken, so it is counted once, and one that was never decided not at all.
    pub(crate) fn log(&mut self, vm: &Vm, context: u32) {
        let Some(trail) = self.trail.take() else { return };
        let mut trail = trail.borrow_mut();
        vm.forget_due(context, &mut trail);
        let ended = Ended::read(vm.host(), &trail, vm.host().now());
        for started in trail.started() {
            started.lane.end(vm, started.counted, &trail.asked, ended, trail.latency);
        }
        vm.counters.touch();
    }
}

/// All headers of a request, and what is decided at its host; none: nothing. Where the host is likely not in the policy, only the host is
/// read at first.
#[inline(never)]
fn read<'p>(vm: &Vm, policy: &'p Installed) -> Option<(Headers, Site<'p>)> {
    let host = vm.host();
    let site = |authority: &[u8]| policy.router.site_bytes(authority);
    let (headers, site, inbound) = if vm.decided.get() {
        let headers = host.headers(Map::Request);
        let (site, inbound) = (headers.first(":authority").and_then(site), headers.has(ROUTE_HEADER));
        (headers, site, inbound)
    } else {
        let inbound = host.header(Map::Request, ROUTE_HEADER).is_some();
        let site = host.header(Map::Request, ":authority").and_then(|authority| site(&authority));
        let headers = site.map(|_| host.headers(Map::Request));
        (headers.unwrap_or_default(), site, inbound)
    };
    remove_if(host, inbound);
    vm.decided.set(site.is_some());
    Some((headers, site?))
}

/// What is remembered of a request; the form of its path only where an analysis may show it.
#[inline(never)]
fn asked(host: &dyn Host, headers: &Headers, watched: bool) -> Asked {
    let path = if watched { template(headers.first(":path").unwrap_or_default()) } else { String::new() };
    Asked {
        started: host.now(),
        method: Method::parse(headers.first(":method").unwrap_or_default()),
        path,
        grpc: headers.first("content-type").is_some_and(is_grpc),
    }
}

fn start(lane: &Rc<Lane>, decision: &Decision<'_>) -> Started {
    let counted = lane.start(&decision.reason, decision.keyless, decision.counted);
    if let Some(mirror) = decision.mirror {
        lane.mirrored(mirror);
    }
    Started::new(lane, counted)
}

fn start_flag(lanes: &[Rc<Lane>], decision: &FlagDecision<'_>) -> Option<Started> {
    let lane = lanes.iter().find(|lane| lane.version() == decision.version)?;
    let counted = lane.start(&decision.reason, decision.keyless, decision.counted);
    Some(Started::new(lane, counted))
}

/// An inbound route header never counts. Removing clears the route cache, even when there is nothing to remove.
fn remove_if(host: &dyn Host, present: bool) {
    if present {
        host.remove_header(Map::Request, ROUTE_HEADER);
    }
}

/// The only writes of the request phase; each clears the route cache, so none is made without need.
#[inline(never)]
fn write(host: &dyn Host, request: &Request, decisions: &Decisions<'_>) {
    if let Some(route) = decisions.service.as_ref().and_then(|decision| decision.route) {
        host.set_header(Map::Request, ROUTE_HEADER, route.as_bytes());
    }
    match &decisions.flags_header {
        FlagsHeader::Keep => {}
        FlagsHeader::Remove => {
            host.remove_header(Map::Request, FLAGS_HEADER);
        }
        FlagsHeader::Set(flags) => {
            host.remove_header(Map::Request, FLAGS_HEADER);
            host.add_header(Map::Request, FLAGS_HEADER, flags.as_bytes());
        }
    }
    let mut generated = decisions.generated();
    generated.retain(|generated| generated.is_new());
    if !generated.is_empty() {
        add_cookies(host, request, &generated);
    }
}

/// The service behind sees the generated ids already in this request. Setting a header drops its further lines, so all of them are
/// joined, as cookies are (RFC 9113, 8.2.3).
#[inline(never)]
fn add_cookies(host: &dyn Host, request: &Request, generated: &[&Generated<'_>]) {
    let pairs: Vec<String> = generated.iter().map(|generated| format!("{}={}", generated.cookie, generated.value)).collect();
    let sent = request.headers.iter().filter(|(name, line)| name == "cookie" && !line.is_empty()).map(|(_, line)| line.as_slice());
    let lines: Vec<&[u8]> = sent.chain(pairs.iter().map(String::as_bytes)).collect();
    host.set_header(Map::Request, "cookie", &lines.join(b"; ".as_slice()));
}
