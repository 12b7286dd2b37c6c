//! The root context: takes policies, posts reports.

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use shunt_filter_core::names::REPORT_PATH;
use shunt_filter_core::policy::ReportPolicy;

use crate::ending::Ending;
use crate::host::{self, Map};
use crate::http::Http;
use crate::vm;

/// First tick after a push: soon, so that the new generation is known at once. Milliseconds.
const FIRST_TICK: u32 = 5;
/// Ticks without a report policy: only Envoy's stats wait for them. Milliseconds.
const QUIET_TICK: u32 = 1_000;
/// The fastest interval. Milliseconds.
const TICK_MIN: u32 = 10;
/// A post that takes longer is given up; the next one says the same and more.
const POST_TIMEOUT: Duration = Duration::from_secs(2);
/// Posts without an answer yet; more are not begun.
const POSTS_MAX: u32 = 4;

/// A root context: one per push and VM.
#[derive(Debug)]
pub(crate) struct Root {
    id: u32,
    ending: Ending,
    /// The tick runs at the policy's interval, not at the first one.
    settled: bool,
    /// Something changed that no post carried yet.
    unsent: bool,
    /// When the last post was made, nanoseconds since 1970.
    posted: u64,
    open: u32,
}

impl Root {
    /// The context with this id.
    pub(crate) fn new(id: u32) -> Self {
        Self { id, ending: Ending::default(), settled: false, unsent: true, posted: 0, open: 0 }
    }

    fn report_if_due(&mut self) {
        vm::with(|vm| {
            self.unsent |= vm.counters.take_changed();
            let Some(policy) = vm.policy() else { return };
            let Some(report) = policy.router.report() else { return };
            let now = host::now();
            let heartbeat = u64::from(report.heartbeat_ms).saturating_mul(1_000_000);
            let due = self.unsent || now.saturating_sub(self.posted) >= heartbeat;
            if due && self.open < POSTS_MAX && self.post(report, &vm.report(policy.router.generation(), false)) {
                self.unsent = false;
                self.posted = now;
            }
        });
    }

    /// Posts without waiting for the answer; false when the proxy refuses.
    fn post(&mut self, to: &ReportPolicy, report: &shunt_filter_core::report::Report) -> bool {
        let Ok(body) = serde_json::to_vec(report) else { return false };
        let headers =
            vec![(":method", "POST"), (":path", REPORT_PATH), (":authority", to.authority.as_str()), ("content-type", "application/json")];
        let sent = proxy_wasm::hostcalls::dispatch_http_call(&to.cluster, headers, Some(&body), Vec::new(), POST_TIMEOUT).is_ok();
        if sent {
            self.open = self.open.saturating_add(1);
        }
        sent
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, _: u32, _: usize, _: usize, _: usize) {
        self.open = self.open.saturating_sub(1);
        let arrived = host::header(Map::CallResponse, ":status").is_some_and(|status| status.starts_with(b"2"));
        self.unsent |= !arrived;
    }

    /// The VM is being replaced, or Envoy stops: the last word.
    fn on_done(&mut self) -> bool {
        vm::with(|vm| {
            if !vm.is_reporting(self.id) {
                return;
            }
            vm.counters.flush();
            // A VM that only tried a policy has nothing to say.
            let Some(policy) = vm.policy().filter(|_| vm.has_reported() || vm.counters.take_changed()) else { return };
            if let Some(report) = policy.router.report() {
                self.post(report, &vm.report(policy.router.generation(), true));
            }
        });
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = host::configuration().unwrap_or_default();
        match vm::with(|vm| vm.install(&configuration, self.id)) {
            Ok(()) => {
                self.ending = Ending::compiled();
                host::set_tick_period(FIRST_TICK);
                true
            }
            Err(error) => {
                host::warn(&format!("shunt: the policy is refused, the old one stays: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        // An old root goes on ticking while an open stream holds it.
        if !vm::with(|vm| vm.is_reporting(self.id)) {
            return;
        }
        if !self.settled {
            self.settled = true;
            let interval = vm::with(vm::Vm::policy).and_then(|policy| policy.router.report().map(|report| report.interval_ms));
            host::set_tick_period(interval.unwrap_or(QUIET_TICK).max(TICK_MIN));
        }
        self.report_if_due();
        vm::with(|vm| vm.counters.flush());
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(self.ending)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
