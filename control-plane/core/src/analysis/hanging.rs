//! Requests without an answer, candidate against stable: those that clients left before response headers, and those that are in flight
//! for far longer than is usual. A slot counts with the first of either.

use super::errors::{in_slots, outcome};
use super::evaluation::Evaluation;
use super::first_bad::FirstBad;
use super::{Verdict, number, reported};

/// The verdict. `threshold` is 1/α.
pub(super) fn judge(evaluation: &Evaluation<'_>, test: &mut FirstBad, threshold: f64) -> Verdict {
    let waiting = reported::unanswered(evaluation.evidence, evaluation.arms.candidate);
    let samples = evaluation.samples().saturating_add(waiting);
    let of_stable = reported::unanswered(evaluation.evidence, evaluation.arms.stable);
    let stable = evaluation.stable.succeeded.saturating_add(evaluation.stable.failed).saturating_add(of_stable);
    let value = number::share(waiting, samples);
    let compared = format!(
        "{} left {value} without an answer{}, {} {}",
        evaluation.arms.candidate,
        in_slots(test),
        evaluation.arms.stable,
        number::share(of_stable, stable)
    );
    let (outcome, rest) = outcome(evaluation, test, samples, threshold, "");
    Verdict {
        baseline: format!("{of_stable}/{stable}"),
        ..evaluation.verdict(outcome, value, samples, format!("E ≥ {threshold}"), &format!("{compared}; {rest}"))
    }
}
