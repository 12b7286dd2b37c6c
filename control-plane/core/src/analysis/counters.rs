//! A lowest success rate, judged by the candidate's own counters of the epoch.
//!
//! A fixed limit is a promise, not a comparison: it fails when it is broken, with no allowance for chance. With at least `min_samples`
//! requests that is a rate below the limit; before, it is so many failures that the rate at `min_samples` will be below it.

use super::evaluation::{Evaluation, exceeds};
use super::number;
use super::{Outcome, Verdict};

/// The verdict; `min` in percent.
pub(super) fn judge(evaluation: &Evaluation<'_>, min: f64) -> Verdict {
    let (good, bad) = (evaluation.candidate.succeeded, evaluation.candidate.failed);
    let samples = good.saturating_add(bad);
    let value = number::share(bad, samples);
    let version = evaluation.arms.candidate;
    let failed = format!("{version} failed {value}");
    let (outcome, sentence) = if is_broken(min, good, bad, evaluation.metric.min_samples) {
        let missing = evaluation.metric.min_samples.saturating_sub(samples);
        let even_if = if missing > 0 { format!(", even if the next {missing} succeed") } else { String::new() };
        (Outcome::Fail, format!("{failed}: below {min} % success{even_if}"))
    } else if let Some(missing) = evaluation.missing(samples) {
        (Outcome::NeedMoreData, format!("{failed}; {missing}"))
    } else {
        (Outcome::Pass, format!("{failed}: {min} % success or more"))
    };
    let of_stable = evaluation.stable.succeeded.saturating_add(evaluation.stable.failed);
    let baseline = if of_stable > 0 { format!("{}/{of_stable}", evaluation.stable.failed) } else { String::new() };
    Verdict { baseline, ..evaluation.verdict(outcome, value, samples, format!("success ≥ {min} %"), &sentence) }
}

/// Whether fewer than `min` percent are good, or will be, whatever the requests are like that are missing to `min_samples`.
pub(crate) fn is_broken(min: f64, good: u64, bad: u64, min_samples: u64) -> bool {
    exceeds(bad as f64, 100.0 - min, good.saturating_add(bad), min_samples)
}
