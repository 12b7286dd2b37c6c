//! Goals of which an external source has the figures, as written.

use super::goal::GoalSpec;
use crate::plan::{ExternalGoal, FiguresAsked};
use crate::problems::Problems;
use crate::rollout::analysis::{Around, Ask, goal_source};
use crate::time::Span;

/// Default of `interval`.
const INTERVAL: Span = Span::seconds(60);
/// Asking more often loads a source without telling more.
const INTERVAL_MIN: Span = Span::seconds(1);
/// Default of `consecutiveErrorLimit`, as of metrics.
const ERRORS: u32 = 4;

/// The goal, every problem noted.
pub(super) fn goal(spec: &GoalSpec, path: &str, around: &Around<'_>, problems: &mut Problems) -> Option<ExternalGoal> {
    for (field, written) in [
        ("match", spec.matches.is_some()),
        ("status", spec.status.is_some()),
        ("responseHeader", spec.response_header.is_some()),
        ("web", spec.web.is_some() && spec.prometheus.is_some()),
    ] {
        if written {
            problems.add(format!("{path}.{field}"), "does not go together with a source: make two goals of it");
        }
    }
    let figures = figures(spec, path, problems);
    let asks: Vec<Ask<'_>> = written(spec).into_iter().map(|(field, text)| Ask { path: format!("{path}.{field}"), text }).collect();
    let source = goal_source(path, spec.prometheus.as_ref(), spec.web.as_ref(), &asks, around, problems);
    let interval = spec.interval.unwrap_or(INTERVAL);
    if interval < INTERVAL_MIN {
        problems.add(format!("{path}.interval"), format!("{interval} is too often: write {INTERVAL_MIN} or more"));
    }
    let consecutive_error_limit = spec.consecutive_error_limit.unwrap_or(ERRORS);
    Some(ExternalGoal { name: spec.name.clone()?, source: source?, figures: figures?, interval, consecutive_error_limit })
}

/// Notes what only a goal with a source may say.
pub(super) fn without_source(spec: &GoalSpec, path: &str, problems: &mut Problems) {
    let own = [("interval", spec.interval.is_some()), ("consecutiveErrorLimit", spec.consecutive_error_limit.is_some())];
    let asks = written(spec).into_iter().map(|(field, _)| (field, true));
    for (field, _) in asks.chain(own).filter(|(_, written)| *written) {
        let message = "is for goals with prometheus or web: without a source the proxies count users and who reaches the goal; remove it";
        problems.add(format!("{path}.{field}"), message);
    }
}

fn written(spec: &GoalSpec) -> Vec<(&'static str, &str)> {
    let all = [("users", &spec.users), ("successes", &spec.successes), ("mean", &spec.mean), ("variance", &spec.variance)];
    all.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?))).collect()
}

fn figures(spec: &GoalSpec, path: &str, problems: &mut Problems) -> Option<FiguresAsked> {
    let Some(users) = spec.users.clone() else {
        let what = if spec.prometheus.is_some() { "the PromQL" } else { "the place in the answer" };
        problems.add(format!("{path}.users"), format!("is missing: write {what} of the number of users that met {{{{version}}}}"));
        return None;
    };
    match (&spec.successes, &spec.mean, &spec.variance) {
        (Some(successes), None, None) => Some(FiguresAsked::Share { users, successes: successes.clone() }),
        (None, Some(mean), Some(variance)) => Some(FiguresAsked::Mean { users, mean: mean.clone(), variance: variance.clone() }),
        (None, Some(_), None) => {
            let message = "is missing: a mean says nothing without the variance of what users bring";
            problems.add(format!("{path}.variance"), message);
            None
        }
        (None, None, Some(_)) => {
            problems.add(format!("{path}.mean"), "is missing: write what users bring on average, beside its variance");
            None
        }
        (None, None, None) => {
            problems.add(path, "says users only: write successes (those who reached the goal), or mean and variance of what users bring");
            None
        }
        (Some(_), _, _) => {
            problems.add(format!("{path}.successes"), "does not go together with mean and variance: make two goals of it");
            None
        }
    }
}
