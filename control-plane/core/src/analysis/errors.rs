//! Failures, candidate against stable: the verdict.

use super::evaluation::Evaluation;
use super::first_bad::{FirstBad, Standing};
use super::number;
use super::sequential::MIN_FAILED_SLOTS;
use super::{Outcome, Verdict};

/// The verdict. `threshold` is 1/α.
pub(super) fn judge(evaluation: &Evaluation<'_>, test: &mut FirstBad, threshold: f64) -> Verdict {
    let (bad, good) = (evaluation.candidate.failed, evaluation.candidate.succeeded);
    let samples = bad.saturating_add(good);
    let value = number::share(bad, samples);
    let of_stable = evaluation.stable.failed.saturating_add(evaluation.stable.succeeded);
    let (candidate, stable) = (evaluation.arms.candidate, evaluation.arms.stable);
    let compared = format!("{candidate} failed {value}{}, {stable} {}", in_slots(test), number::share(evaluation.stable.failed, of_stable));
    let more = evaluation.metric.guard.tolerance().map(|tolerance| format!(" by more than {tolerance}")).unwrap_or_default();
    let (outcome, rest) = outcome(evaluation, test, samples, threshold, &more);
    Verdict {
        baseline: format!("{}/{of_stable}", evaluation.stable.failed),
        ..evaluation.verdict(outcome, value, samples, format!("E ≥ {threshold}"), &format!("{compared}; {rest}"))
    }
}

/// ` in 5 slots`; empty: in none.
pub(super) fn in_slots(test: &FirstBad) -> String {
    match test.bad() {
        0 => String::new(),
        1 => " in 1 slot".to_owned(),
        n => format!(" in {n} slots"),
    }
}

/// What a comparison says, and why, as a part of a sentence. `more`: what is allowed.
pub(super) fn outcome(evaluation: &Evaluation<'_>, test: &mut FirstBad, samples: u64, threshold: f64, more: &str) -> (Outcome, String) {
    let standing = test.stand(threshold);
    let e = number::evidence(test.ln_e());
    match (standing, evaluation.missing(samples)) {
        (Standing::Failed, _) => (Outcome::Fail, format!("E = {e} ≥ {threshold}: worse than stable{more}")),
        (Standing::Few, _) => {
            (Outcome::NeedMoreData, format!("E = {e} ≥ {threshold}, but fewer than {MIN_FAILED_SLOTS} slots: no judgement yet"))
        }
        (Standing::Below, Some(missing)) => (Outcome::NeedMoreData, missing),
        (Standing::Below, None) => (Outcome::Pass, format!("E = {e} < {threshold}: not worse than stable{more}")),
    }
}
