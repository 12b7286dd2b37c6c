//! How often filters report: fast while something is under way, slowly otherwise. Each change of it is a push, so it does not flap.

use shunt_core::State;
use shunt_core::state::{DefaultRoute, Installation};
use shunt_filter_core::names::REPORT_CLUSTER;
use shunt_filter_core::policy::ReportPolicy;
use shunt_spec::{Span, Time};

use crate::platform::Stored;

/// How often a changed report is posted while something is under way, and otherwise.
const FAST_MS: u32 = 250;
const SLOW_MS: u32 = 5_000;

/// How often an unchanged one is posted all the same; below what `delivery` takes for the silence of a dead VM.
const HEARTBEAT_MS: u32 = 5_000;

/// Fast for this long after the last thing that was under way.
const LINGER: Span = Span::seconds(15);

/// Remembers when something was under way last.
#[derive(Debug, Default)]
pub(crate) struct Cadence {
    until: Time,
}

impl Cadence {
    /// How filters should report now.
    pub(crate) fn report(&mut self, busy: bool, now: Time) -> ReportPolicy {
        if busy {
            self.until = now.after(LINGER);
        }
        let interval_ms = if now < self.until { FAST_MS } else { SLOW_MS };
        ReportPolicy { cluster: REPORT_CLUSTER.to_owned(), authority: REPORT_CLUSTER.to_owned(), interval_ms, heartbeat_ms: HEARTBEAT_MS }
    }
}

/// Whether something of this Rollout is under way: a run, an old version kept warm, a proof that is still missing.
pub(crate) fn is_busy(stored: &Stored) -> bool {
    let State { run, previous, retiring, default_route, installed, stable, refused, .. } = &stored.state;
    let refuses = refused.as_ref().is_some_and(|refused| refused.version == stored.plan.release);
    run.is_some()
        || previous.is_some()
        || retiring.is_some()
        || stored.plan.gone
        || !stored.commands.is_empty()
        || matches!(default_route, DefaultRoute::Changing { .. })
        || installed.values().any(|version| version.stage != Installation::Serving)
        || (stored.plan.release != *stable && !refuses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_at_once_and_slow_only_after_a_while() {
        let mut cadence = Cadence::default();
        let mut interval = |busy, second: u64| cadence.report(busy, Time(second * 1_000)).interval_ms;
        assert_eq!(interval(false, 100), SLOW_MS);
        assert_eq!(interval(true, 101), FAST_MS);
        assert_eq!(interval(false, 115), FAST_MS);
        assert_eq!(interval(false, 116), SLOW_MS);
    }
}
