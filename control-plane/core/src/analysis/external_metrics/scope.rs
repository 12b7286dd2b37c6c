//! When a metric with a source is measured, and whom it looks at.
//!
//! A metric of the whole release is measured from the moment that a user, or a copy, is sent to the candidate until the old version
//! goes, and its limits hold for all of that (Argo's background analysis). One of a step is measured while the run is held there, anew
//! for each step it belongs to (Argo's inline analysis).

use shunt_filter_core::names::{fallback_cluster, shadow_cluster, version_cluster};
use shunt_filter_core::{BaselineName, VersionName};
use shunt_spec::plan::external_metrics::{ExternalMetric, is_time, time};
use shunt_spec::plan::{Plan, Routing};
use shunt_spec::time::Time;

use super::{History, Outcome, Verdict};
use crate::state::{Stage, State};

/// Measurements of one metric belong together within this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// The attempt.
    pub attempt: u64,
    /// The step, counted from 0; none: the whole release.
    pub step: Option<usize>,
}

/// Who is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The version being released, or just released.
    pub candidate: VersionName,
    /// What it is compared with.
    pub stable: VersionName,
}

impl Subject {
    /// Of the run, or of the time in which the old version is kept; none at rest.
    pub fn of(state: &State) -> Option<Self> {
        match (&state.run, &state.previous) {
            (Some(run), _) => {
                // In an experiment the fresh baseline stands for stable.
                let stable = run.baseline.as_ref().map_or(&state.stable, BaselineName::version).clone();
                Some(Self { candidate: run.candidate.clone(), stable })
            }
            (None, Some(previous)) => Some(Self { candidate: state.stable.clone(), stable: previous.version.clone() }),
            (None, None) => None,
        }
    }

    /// What a placeholder of a text stands for; `version` is whose value is asked for, one of the two.
    pub fn value(&self, plan: &Plan, version: &VersionName, now: Time, placeholder: &str) -> Option<String> {
        Some(match placeholder {
            name if is_time(name) => return time(name, now),
            "candidate" => self.candidate.to_string(),
            "stable" => self.stable.to_string(),
            "version" => version.to_string(),
            "cluster" => cluster(plan, version),
            "clusters" => clusters(plan, version),
            "shadowCluster" => shadow_cluster(&plan.id, version),
            "namespace" => plan.id.namespace().to_owned(),
            "name" => plan.id.name().to_owned(),
            _ => return None,
        })
    }
}

/// The Envoy cluster whose statistics are the version's.
fn cluster(plan: &Plan, version: &VersionName) -> String {
    match (&plan.routing, plan.version(version).and_then(|version| version.backend.cluster())) {
        (Routing::External { .. }, Some(cluster)) => cluster.clone(),
        _ => version_cluster(&plan.id, version),
    }
}

/// A regular expression of the Envoy clusters whose statistics are the version's.
fn clusters(plan: &Plan, version: &VersionName) -> String {
    match &plan.routing {
        Routing::External { .. } => {
            let plain = |c: &char| c.is_ascii_alphanumeric() || "-_/:".contains(*c);
            cluster(plan, version).chars().map(|c| if plain(&c) { c.to_string() } else { format!("[{c}]") }).collect()
        }
        Routing::Managed | Routing::Flag { .. } => {
            let own = version_cluster(&plan.id, version);
            let aggregate = fallback_cluster(&plan.id, version);
            format!("{own}({})?", aggregate.strip_prefix(&own).unwrap_or_default())
        }
    }
}

/// The scope that a metric is measured in now, or why it is not.
pub fn scope(metric: &ExternalMetric, plan: &Plan, state: &State) -> Result<Scope, &'static str> {
    let Some(run) = &state.run else {
        return match (&state.previous, &metric.steps) {
            (None, _) => Err("nothing is being released"),
            (Some(_), Some(_)) => Err("its steps are over"),
            (Some(_), None) => Ok(Scope { attempt: state.attempt, step: None }),
        };
    };
    if run.returning || run.stage.ending().is_some() {
        return Err("the way back is not judged");
    }
    match &metric.steps {
        None if run.has_reached_candidate(plan) => Ok(Scope { attempt: state.attempt, step: None }),
        None => Err("nothing is sent to the candidate yet"),
        Some(steps) => match run.stage {
            Stage::Holding { step } if steps.contains(&step) => Ok(Scope { attempt: state.attempt, step: Some(step) }),
            _ => Err("its step is not on"),
        },
    }
}

/// Whether it is to be measured now, in a scope that is on. `history` is of that scope.
pub fn due(metric: &ExternalMetric, history: &History, now: Time) -> bool {
    let next = match history.latest() {
        Some(latest) => latest.at.after(metric.interval),
        None => history.began.after(metric.initial_delay),
    };
    // A clock that stepped back must not silence it for long.
    let early = now < next && history.latest().is_none_or(|latest| latest.at <= now);
    !early && !history.is_final(metric)
}

/// The verdict of a metric that is not measured now.
pub fn not_measured(metric: &ExternalMetric, reason: &str) -> Verdict {
    Verdict {
        metric: metric.name.clone(),
        outcome: Outcome::NotApplicable,
        value: String::new(),
        baseline: String::new(),
        samples: 0,
        threshold: metric.check.to_string(),
        message: format!("{}: {reason}", metric.name),
    }
}
