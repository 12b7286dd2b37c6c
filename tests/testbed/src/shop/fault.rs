//! Fault switches.

use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Instant;

use hyper::http::request::Parts;
use serde::{Deserialize, Serialize};

/// What goes wrong, and how often. Percentages are of requests, drawn independently; the first that hits decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Fault {
    /// Answers with `error_status`.
    pub error_percent: f64,
    /// Only for requests that carry this feature flag in `x-shunt-flags`.
    pub error_flag: Option<String>,
    /// Only for requests of this method.
    pub error_method: Option<String>,
    /// Only for requests whose cookies end like this: some of the users.
    pub error_cookie: Option<String>,
    /// The share grows from none, at the first request, to `error_percent` in so many seconds.
    pub error_ramp_seconds: u64,
    /// The status of those answers.
    pub error_status: u16,
    /// To gRPC they are 200 with this `grpc-status`.
    pub error_grpc: u8,
    /// Answers 200 without a body.
    pub empty_percent: f64,
    /// Breaks the connection instead of answering.
    pub reset_percent: f64,
    /// Breaks the connection in the middle of the reply's body.
    pub reset_body_percent: f64,
    /// Never answers (until the shop stops).
    pub hang_percent: f64,
    /// Answers later by this much, milliseconds.
    pub delay_ms: u64,
    /// How many are delayed.
    pub delay_percent: f64,
    /// False: `/live` says 503.
    pub live: bool,
    /// False: `/ready` says 503.
    pub ready: bool,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            error_percent: 0.0,
            error_flag: None,
            error_method: None,
            error_cookie: None,
            error_ramp_seconds: 0,
            error_status: 500,
            error_grpc: 14,
            empty_percent: 0.0,
            reset_percent: 0.0,
            reset_body_percent: 0.0,
            hang_percent: 0.0,
            delay_ms: 0,
            delay_percent: 100.0,
            live: true,
            ready: true,
        }
    }
}

impl Fault {
    /// Only errors (500), that many percent.
    pub fn errors(percent: f64) -> Self {
        Self { error_percent: percent, ..Self::default() }
    }

    /// Only a delay of every answer.
    pub fn delay(milliseconds: u64) -> Self {
        Self { delay_ms: milliseconds, ..Self::default() }
    }
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Well,
    Error { status: u16, grpc: u8 },
    Empty,
    Reset,
    ResetBody,
    Hang,
}

/// What of a request a fault may look at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked<'r> {
    pub(super) flags: &'r str,
    pub(super) method: &'r str,
    pub(super) cookies: &'r str,
}

impl<'r> Asked<'r> {
    pub(super) fn of(head: &'r Parts) -> Self {
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self { flags: header("x-shunt-flags"), method: head.method.as_str(), cookies: header("cookie") }
    }
}

/// The current faults.
#[derive(Debug)]
pub(super) struct Switches {
    fault: RwLock<Fault>,
    /// When the first request came.
    first: OnceLock<Instant>,
}

impl Switches {
    pub(super) fn new(fault: Fault) -> Self {
        Self { fault: RwLock::new(fault), first: OnceLock::new() }
    }

    pub(super) fn get(&self) -> Fault {
        self.fault.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, fault: Fault) {
        *self.fault.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Draws the fate of one request, and how much later it is answered, milliseconds.
    pub(super) fn draw(&self, asked: Asked<'_>) -> (Fate, u64) {
        let fault = self.fault.read().unwrap_or_else(PoisonError::into_inner);
        let running = self.first.get_or_init(Instant::now).elapsed().as_secs_f64();
        let grown = if fault.error_ramp_seconds == 0 { 1.0 } else { (running / fault.error_ramp_seconds as f64).min(1.0) };
        let hit = |percent: f64| percent > 0.0 && fastrand::f64() * 100.0 < percent;
        let concerned = fault.error_flag.as_deref().is_none_or(|flag| asked.flags.contains(flag))
            && fault.error_method.as_deref().is_none_or(|method| asked.method == method)
            && fault.error_cookie.as_deref().is_none_or(|end| asked.cookies.ends_with(end));
        let fate = if concerned && hit(fault.error_percent * grown) {
            Fate::Error { status: fault.error_status, grpc: fault.error_grpc }
        } else if hit(fault.empty_percent) {
            Fate::Empty
        } else if hit(fault.reset_percent) {
            Fate::Reset
        } else if hit(fault.reset_body_percent) {
            Fate::ResetBody
        } else if hit(fault.hang_percent) {
            Fate::Hang
        } else {
            Fate::Well
        };
        let delay = if fault.delay_ms > 0 && hit(fault.delay_percent) { fault.delay_ms } else { 0 };
        (fate, delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_by_default_and_all_at_hundred_percent() {
        let switches = Switches::new(Fault::default());
        assert!((0..1000).all(|_| switches.draw(Asked::default()) == (Fate::Well, 0)));
        switches.set(Fault { error_percent: 100.0, delay_ms: 7, ..Fault::default() });
        assert!((0..1000).all(|_| switches.draw(Asked::default()) == (Fate::Error { status: 500, grpc: 14 }, 7)));
    }

    #[test]
    fn some_requests_only() {
        let only = Fault { error_method: Some("POST".to_owned()), error_cookie: Some("7".to_owned()), ..Fault::errors(100.0) };
        let switches = Switches::new(only);
        let fails = |method, cookies| switches.draw(Asked { method, cookies, ..Asked::default() }).0 != Fate::Well;
        assert!(fails("POST", "shunt-id=user-17"));
        assert!(!fails("GET", "shunt-id=user-17") && !fails("POST", "shunt-id=user-18"));
    }

    #[test]
    fn a_share_that_grows_begins_at_none() {
        let switches = Switches::new(Fault { error_ramp_seconds: 3_600, ..Fault::errors(100.0) });
        assert!((0..100).all(|_| switches.draw(Asked::default()).0 == Fate::Well));
    }

    #[test]
    fn ten_percent_is_ten_percent() {
        let switches = Switches::new(Fault::errors(10.0));
        let failed = (0..20_000).filter(|_| switches.draw(Asked::default()).0 != Fate::Well).count();
        assert!((1_700..2_300).contains(&failed), "{failed} of 20,000");
    }
}
