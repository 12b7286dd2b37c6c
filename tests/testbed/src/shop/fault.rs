//! Fault switches.

use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

/// What goes wrong, and how often. Percentages are of requests, drawn independently; the first that hits decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Fault {
    /// Answers with `error_status`.
    pub error_percent: f64,
    /// Only for requests that carry this feature flag in `x-shunt-flags`.
    pub error_flag: Option<String>,
    /// The status of those answers; for gRPC the reply is 200 with `grpc-status: 14`.
    pub error_status: u16,
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
            error_status: 500,
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
    Error(u16),
    Reset,
    ResetBody,
    Hang,
}

/// The current faults.
#[derive(Debug)]
pub(super) struct Switches(RwLock<Fault>);

impl Switches {
    pub(super) fn new(fault: Fault) -> Self {
        Self(RwLock::new(fault))
    }

    pub(super) fn get(&self) -> Fault {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, fault: Fault) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Draws the fate of one request, and how much later it is answered, milliseconds.
    pub(super) fn draw(&self, flags: &str) -> (Fate, u64) {
        let fault = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let hit = |percent: f64| percent > 0.0 && fastrand::f64() * 100.0 < percent;
        let concerned = fault.error_flag.as_deref().is_none_or(|flag| flags.contains(flag));
        let fate = if concerned && hit(fault.error_percent) {
            Fate::Error(fault.error_status)
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
        assert!((0..1000).all(|_| switches.draw("") == (Fate::Well, 0)));
        switches.set(Fault { error_percent: 100.0, delay_ms: 7, ..Fault::default() });
        assert!((0..1000).all(|_| switches.draw("") == (Fate::Error(500), 7)));
    }

    #[test]
    fn ten_percent_is_ten_percent() {
        let switches = Switches::new(Fault::errors(10.0));
        let failed = (0..20_000).filter(|_| switches.draw("").0 != Fate::Well).count();
        assert!((1_700..2_300).contains(&failed), "{failed} of 20,000");
    }
}
