//! What belongs to a push and to time: takes policies, posts reports.

use shunt_filter_core::names::REPORT_PATH;
use shunt_filter_core::policy::ReportPolicy;
use shunt_filter_core::report::Report;

use crate::host::{Host, Map};
use crate::reporter::Reporter;
use crate::vm::Vm;

#[cfg(test)]
mod tests;

/// First tick after a push: soon, so that the new generation is known at once. Milliseconds.
const FIRST_TICK: u32 = 5;
/// Ticks without a report policy: only Envoy's stats wait for them. Milliseconds.
const QUIET_TICK: u32 = 1_000;
/// The fastest interval. Milliseconds.
const TICK_MIN: u32 = 10;
/// A post that takes longer is given up; the next one says the same and more. Milliseconds.
const POST_TIMEOUT: u32 = 2_000;

/// Takes the configuration of a new root context; false: it is refused, and the old one stays.
pub(crate) fn configure(vm: &Vm, root: u32) -> bool {
    if let Err(error) = vm.install(&vm.host().configuration()) {
        log::warn!("shunt: the policy is refused, the old one stays: {error}");
        return false;
    }
    vm.reporter.replace(Reporter::new(root));
    vm.host().set_tick_period(FIRST_TICK);
    true
}

/// Time has passed for a root context. An old one goes on ticking while an open stream holds it, and says nothing.
pub(crate) fn tick(vm: &Vm, root: u32) {
    let mut reporter = vm.reporter.borrow_mut();
    if !reporter.is(root) {
        return;
    }
    if reporter.settle() {
        let interval = vm.policy().and_then(|policy| policy.router.report().map(|report| report.interval_ms));
        vm.host().set_tick_period(interval.unwrap_or(QUIET_TICK).max(TICK_MIN));
    }
    let now = vm.host().now();
    vm.find_hanging(now);
    report_if_due(vm, &mut reporter, now);
    vm.counters.flush(vm.host());
}

/// A post was answered, or has failed; then what it said is said again. Without headers there is no answer, and none to read.
pub(crate) fn answered(vm: &Vm, root: u32, headers: usize) {
    let status = || vm.host().header(Map::CallResponse, ":status");
    let arrived = headers > 0 && status().is_some_and(|status| status.starts_with(b"2"));
    // Busy only if the proxy answered within the call that posts, which it puts off.
    if let Ok(mut reporter) = vm.reporter.try_borrow_mut() {
        reporter.answered(root, arrived);
    }
}

/// A root context ends. If it is the reporting one, the VM is being replaced or Envoy stops: the last word.
pub(crate) fn done(vm: &Vm, root: u32) {
    if !vm.reporter.borrow().is(root) {
        return;
    }
    vm.counters.flush(vm.host());
    // A VM that only tried a policy has nothing to say.
    let Some(policy) = vm.policy().filter(|_| vm.has_reported() || vm.counters.take_changed()) else { return };
    if let Some(to) = policy.router.report() {
        post(vm.host(), to, &vm.report(policy.router.generation(), true));
    }
}

fn report_if_due(vm: &Vm, reporter: &mut Reporter, now: u64) {
    if vm.counters.take_changed() {
        reporter.touch();
    }
    let Some(policy) = vm.policy() else { return };
    let Some(to) = policy.router.report() else { return };
    if reporter.is_due(now, to.heartbeat_ms) && post(vm.host(), to, &vm.report(policy.router.generation(), false)) {
        reporter.posted(now);
    }
}

/// Posts without waiting for the answer; false when the proxy refuses.
#[inline(never)]
fn post(host: &dyn Host, to: &ReportPolicy, report: &Report) -> bool {
    let Ok(body) = serde_json::to_vec(report) else { return false };
    let headers =
        [(":method", "POST"), (":path", REPORT_PATH), (":authority", to.authority.as_str()), ("content-type", "application/json")];
    host.post(&to.cluster, &headers, &body, POST_TIMEOUT)
}
