//! Measurements so far -> verdict.

use shunt_spec::plan::external_metrics::{Check, ExternalMetric, Reading, Source};
use shunt_spec::time::Time;

use super::{History, Measurement, Outcome, Verdict};

/// The verdict. A pass needs a good measurement of this epoch, unless the metric's `count` is complete; it gets old when nothing
/// newer arrives for two intervals and the time-out.
///
/// Limits hold for all measurements of the scope, as in Argo Rollouts: one failure, or error in a row, more than allowed fails the
/// metric for good.
pub fn verdict(metric: &ExternalMetric, history: Option<&History>, epoch: u64, now: Time) -> Verdict {
    let empty = History::default();
    let history = history.unwrap_or(&empty);
    let latest = history.latest();
    let (outcome, sentence) = judge(metric, history, epoch, now);
    let of_latest = |part: fn(&Measurement) -> &String| latest.map(|latest| part(latest).clone()).unwrap_or_default();
    let plain = Verdict {
        metric: metric.name.clone(),
        outcome,
        value: of_latest(|latest| &latest.value),
        baseline: of_latest(|latest| &latest.baseline),
        samples: u64::from(history.measured()),
        threshold: metric.check.to_string(),
        message: format!("{}: {sentence}", metric.name),
    };
    if metric.dry_run { as_dry_run(plain, metric, &sentence) } else { plain }
}

/// What it would say, in a verdict that decides nothing.
fn as_dry_run(plain: Verdict, metric: &ExternalMetric, sentence: &str) -> Verdict {
    let would = match plain.outcome {
        Outcome::Pass => "would pass: ",
        Outcome::Fail => "would fail: ",
        Outcome::Inconclusive => "would hold the release: ",
        Outcome::NeedMoreData | Outcome::SourceError | Outcome::NotApplicable => "",
    };
    Verdict { outcome: Outcome::NotApplicable, message: format!("{} (dry run): {would}{sentence}", metric.name), ..plain }
}

fn judge(metric: &ExternalMetric, history: &History, epoch: u64, now: Time) -> (Outcome, String) {
    let last_error = || match history.recent.iter().rev().find_map(|one| match &one.reading {
        Reading::Error(error) => Some(error.as_str()),
        Reading::Success | Reading::Failure | Reading::Inconclusive | Reading::NoData => None,
    }) {
        Some(error) => error.to_owned(),
        None => "no answer".to_owned(),
    };
    if history.failures > metric.failure_limit {
        return (Outcome::Fail, format!("{}{}", failed(metric, history), allowed(metric.failure_limit, "failed")));
    }
    if history.errors_in_row > metric.consecutive_error_limit {
        let limit = metric.consecutive_error_limit;
        let times = history.errors_in_row;
        return (
            Outcome::Fail,
            format!("{} could not be asked {times} times in a row, {limit} allowed: {}", metric.source_name(), last_error()),
        );
    }
    if history.inconclusive > metric.inconclusive_limit && !metric.only_shows() {
        let sentence = format!(
            "{} of {} measurements are inconclusive{}: {}",
            history.inconclusive,
            history.measured(),
            allowed(metric.inconclusive_limit, "inconclusive"),
            shown(history)
        );
        return (Outcome::Inconclusive, sentence);
    }
    let Some(latest) = history.latest() else {
        return (Outcome::NeedMoreData, format!("nothing is measured yet{}", first_one(metric, history, now)));
    };
    match (&latest.reading, metric.count) {
        (Reading::Error(error), _) => (Outcome::SourceError, format!("{} could not be asked: {error}", metric.source_name())),
        (_, Some(count)) if history.measured() >= count => complete(metric, history, count),
        (_, Some(count)) => {
            let left = count.saturating_sub(history.measured());
            (Outcome::NeedMoreData, format!("{}; needs {left} more of {count} measurements", shown(history)))
        }
        (Reading::NoData, None) => (Outcome::NeedMoreData, format!("{} has no data for it", metric.source_name())),
        (Reading::Failure, None) => {
            let sentence = format!("{}{}", failed(metric, history), allowed(metric.failure_limit, "failed"));
            (Outcome::NeedMoreData, format!("{sentence}; needs one that does not fail"))
        }
        (Reading::Inconclusive, None) => (Outcome::NeedMoreData, format!("{} is neither good nor bad by {}", shown(history), metric.check)),
        (Reading::Success, None) if latest.epoch != epoch => {
            (Outcome::NeedMoreData, format!("{}; needs a measurement with the present weights", shown(history)))
        }
        (Reading::Success, None) if is_old(metric, latest, now) => {
            (Outcome::NeedMoreData, format!("{}, {} ago; needs a newer one", shown(history), now.since(latest.at).text()))
        }
        (Reading::Success, None) => (Outcome::Pass, good(metric, history)),
    }
}

/// All measurements are there, and none of the limits is broken.
fn complete(metric: &ExternalMetric, history: &History, count: u32) -> (Outcome, String) {
    match history.successes {
        0 => (Outcome::Inconclusive, format!("none of {count} measurements is good by {}", metric.check)),
        successes => {
            (Outcome::Pass, format!("{successes} of {count} measurements keep {}, the last one is {}", metric.check, shown(history)))
        }
    }
}

fn is_old(metric: &ExternalMetric, latest: &Measurement, now: Time) -> bool {
    let timeout = match &metric.source {
        Source::Prometheus(source) => source.connection.timeout,
        Source::Web(source) => source.connection.timeout,
    };
    let most = metric.interval.0.saturating_mul(2).saturating_add(timeout.0).saturating_add(1_000);
    now.since(latest.at).0 > most
}

fn first_one(metric: &ExternalMetric, history: &History, now: Time) -> String {
    let starts = history.began.after(metric.initial_delay);
    if now < starts { format!("; the first time in {}", starts.since(now).text()) } else { String::new() }
}

/// `0.31 (stable's 0.02)`.
fn shown(history: &History) -> String {
    match history.latest() {
        Some(latest) if latest.baseline.is_empty() => latest.value.clone(),
        Some(latest) => format!("{} (baseline {})", latest.value, latest.baseline),
        None => "nothing".to_owned(),
    }
}

fn good(metric: &ExternalMetric, history: &History) -> String {
    if metric.only_shows() { shown(history) } else { format!("{} keeps {}", shown(history), metric.check) }
}

/// The newest bad one: a later good one does not make it undone.
fn failed(metric: &ExternalMetric, history: &History) -> String {
    let bad = history.recent.iter().rev().find(|one| one.reading == Reading::Failure);
    let shown = match bad {
        Some(bad) if bad.baseline.is_empty() => bad.value.clone(),
        Some(bad) => format!("{} (baseline {})", bad.value, bad.baseline),
        None => String::new(),
    };
    let rule = match &metric.check {
        Check::Conditions { success: _, failure: Some(_) } => "is bad by",
        Check::Conditions { success: _, failure: None } | Check::Limits { .. } => "breaks",
    };
    format!("{shown} {rule} {}: {} of {} measurements failed", metric.check, history.failures, history.measured())
}

fn allowed(limit: u32, what: &str) -> String {
    match limit {
        0 => String::new(),
        limit => format!(", {limit} {what} allowed"),
    }
}
