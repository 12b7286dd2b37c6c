//! Requests without an answer, candidate against stable: those that clients left before response headers, and those that are in flight
//! for far longer than is usual. A slot counts with the first of either.

use super::errors::{in_slots, outcome};
use super::first_bad::FirstBad;
use super::look::Look;
use super::{Verdict, number, reported};

/// The verdict. `threshold` is 1/α.
pub(super) fn judge(look: &Look<'_>, test: &mut FirstBad, threshold: f64) -> Verdict {
    let waiting = reported::unanswered(look.evidence, look.arms.candidate);
    let samples = look.samples().saturating_add(waiting);
    let of_stable = reported::unanswered(look.evidence, look.arms.stable);
    let stable = look.stable.succeeded.saturating_add(look.stable.failed).saturating_add(of_stable);
    let value = number::share(waiting, samples);
    let compared = format!(
        "{} left {value} without an answer{}, {} {}",
        look.arms.candidate,
        in_slots(test),
        look.arms.stable,
        number::share(of_stable, stable)
    );
    let (outcome, rest) = outcome(look, test, samples, threshold, "");
    Verdict {
        baseline: format!("{of_stable}/{stable}"),
        ..look.verdict(outcome, value, samples, format!("E ≥ {threshold}"), &format!("{compared}; {rest}"))
    }
}
