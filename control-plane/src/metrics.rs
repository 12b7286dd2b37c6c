//! External metrics: asks the sources while a release needs it, and keeps what they said.
//!
//! What is due, and what an answer means, is decided in the core; here is only the asking. Each question has a task of its own with a
//! time-out, so a source that hangs delays no other question.

mod goals;
mod http;
mod prometheus;
#[cfg(test)]
mod tests;
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use shunt_core::analysis::Verdict;
use shunt_core::analysis::external_metrics::{self, History, Measurement, Scope, Subject};
use shunt_core::contest::ExternalFigures;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::plan::external_metrics::{ExternalMetric, Reading, Source, Value, fill};
use shunt_spec::{Plan, Time};
use tokio::sync::mpsc;

pub(crate) use self::goals::AnsweredGoal;
use self::goals::Goals;
use self::http::Http;
use crate::integrations::Completion;
use crate::platform::{AuxiliaryStore, MeasurementKey, StoreError, Stored};

/// All that is measured, in memory and in the store.
#[derive(Debug)]
pub(crate) struct Sources {
    http: Http,
    histories: BTreeMap<MeasurementKey, History>,
    /// Asked, and not yet answered.
    asked: BTreeSet<MeasurementKey>,
    goals: Goals,
    completions: mpsc::Sender<Completion>,
    quiesced: bool,
}

/// What came of a question.
#[derive(Debug)]
pub(crate) struct Answered {
    key: MeasurementKey,
    measurement: Measurement,
}

impl Sources {
    /// With what was measured before. Errors when that cannot be read, or TLS does not work at all.
    pub(crate) async fn open(auxiliary: &AuxiliaryStore, completions: mpsc::Sender<Completion>) -> anyhow::Result<Self> {
        let histories = auxiliary.measurements().await?.into_iter().collect();
        let goals = Goals::new(completions.clone());
        Ok(Self { http: Http::new()?, histories, asked: BTreeSet::new(), goals, completions, quiesced: false })
    }

    /// Asks what is due for this Rollout.
    pub(crate) async fn attend(&mut self, auxiliary: &AuxiliaryStore, stored: &Stored, now: Time) -> Result<(), StoreError> {
        let (plan, state) = (&stored.plan, &stored.state);
        let id = &plan.id;
        if !self.quiesced {
            self.goals.attend(&self.http, plan, state, now);
        }
        if self.histories.keys().any(|key| key.rollout == *id && key.scope.attempt != state.attempt) {
            auxiliary.forget_measurements(id, state.attempt).await?;
            self.histories.retain(|key, _| key.rollout != *id || key.scope.attempt == state.attempt);
        }
        let Some(subject) = Subject::of(state) else { return Ok(()) };
        for metric in &plan.analysis.external_metrics {
            let Ok(scope) = external_metrics::scope(metric, plan, state) else { continue };
            let key = key(id, scope, metric);
            if !self.histories.contains_key(&key) {
                // The initial delay begins here, also for one that starts this process anew.
                auxiliary.keep_measurements(key.clone(), History::new(now)).await?;
                self.histories.insert(key.clone(), History::new(now));
            }
            let due = self.histories.get(&key).is_some_and(|history| external_metrics::due(metric, history, now));
            if due && !self.quiesced && self.asked.insert(key.clone()) {
                self.ask(key, metric.clone(), plan.clone(), subject.clone(), At { now, epoch: state.epoch });
            }
        }
        Ok(())
    }

    /// One verdict per metric with a source, in the plan's order; none when nothing is being released or kept.
    pub(crate) fn verdicts(&self, stored: &Stored, now: Time) -> Vec<Verdict> {
        if Subject::of(&stored.state).is_none() {
            return Vec::new();
        }
        external_metrics::verdicts(&stored.plan, &stored.state, now, |metric, scope| {
            self.histories.get(&key(&stored.plan.id, scope, metric))
        })
    }

    /// What is known of goals with a source, by name, while a test is on.
    pub(crate) fn external(&self, id: &RolloutId) -> BTreeMap<String, ExternalFigures> {
        self.goals.external(id)
    }

    /// Takes what came of a question for a goal.
    pub(crate) fn take_goal(&mut self, answered: AnsweredGoal) {
        self.goals.take(answered);
    }

    /// Its Rollout is forgotten; the store forgets with it.
    pub(crate) fn dismiss(&mut self, id: &RolloutId) {
        self.goals.dismiss(id);
        self.histories.retain(|key, _| key.rollout != *id);
    }

    /// Records an answer.
    pub(crate) async fn take(&mut self, auxiliary: &AuxiliaryStore, answered: Answered) -> Result<(), StoreError> {
        let Answered { key, measurement } = answered;
        self.asked.remove(&key);
        // What belongs to an attempt that is over is not waited for any more.
        let Some(history) = self.histories.get_mut(&key) else { return Ok(()) };
        history.take(measurement);
        auxiliary.keep_measurements(key, history.clone()).await
    }

    /// The process is about to end: no source is asked any more.
    pub(crate) fn quiesce(&mut self) {
        self.quiesced = true;
    }

    fn ask(&self, key: MeasurementKey, metric: ExternalMetric, plan: Arc<Plan>, subject: Subject, at: At) {
        let (http, completions) = (self.http.clone(), self.completions.clone());
        tokio::spawn(async move {
            let measurement = measure(&http, &metric, &plan, &subject, at).await;
            if let Reading::Error(error) = &measurement.reading {
                tracing::warn!(rollout = %key.rollout, metric = metric.name, "{} could not be asked: {error}", metric.source_name());
            }
            // The control plane takes no answer any more when it ends.
            let _ = completions.send(Completion::Measurement(Answered { key, measurement })).await;
        });
    }
}

/// When a question is asked.
#[derive(Debug, Clone, Copy)]
struct At {
    now: Time,
    epoch: u64,
}

fn key(id: &RolloutId, scope: Scope, metric: &ExternalMetric) -> MeasurementKey {
    let text = serde_json::to_string(&(&metric.source, &metric.check)).unwrap_or_default();
    let digest = Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    MeasurementKey { rollout: id.clone(), scope, metric: metric.name.clone(), digest }
}

/// Asks for the value, and for the baseline where the conditions look at it.
async fn measure(http: &Http, metric: &ExternalMetric, plan: &Plan, subject: &Subject, at: At) -> Measurement {
    let value = value(http, metric, plan, subject, Arm::Candidate, at.now);
    let (value, baseline) = match metric.check.compares() {
        true => tokio::join!(value, self::value(http, metric, plan, subject, Arm::Stable, at.now)),
        false => (value.await, Ok(Value::Nothing)),
    };
    let text = |value: &Result<Value, String>| value.as_ref().map(Value::to_string).unwrap_or_default();
    let shown = (text(&value), if metric.check.compares() { text(&baseline) } else { String::new() });
    let reading = match (value, baseline) {
        (Ok(value), Ok(baseline)) => metric.check.read(&value, &baseline),
        (Err(error), _) => Reading::Error(error),
        (_, Err(error)) => Reading::Error(format!("baseline: {error}")),
    };
    Measurement { at: at.now, epoch: at.epoch, reading, value: shown.0, baseline: shown.1 }
}

/// Whose value is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    Candidate,
    Stable,
}

async fn value(http: &Http, metric: &ExternalMetric, plan: &Plan, subject: &Subject, arm: Arm, now: Time) -> Result<Value, String> {
    let version: &VersionName = match arm {
        Arm::Candidate => &subject.candidate,
        Arm::Stable => &subject.stable,
    };
    let filled = |text: &str| fill(text, |placeholder| subject.value(plan, version, now, placeholder));
    match &metric.source {
        Source::Prometheus(source) => {
            let query = match (arm, &source.baseline) {
                (Arm::Stable, Some(baseline)) => baseline,
                (Arm::Stable, None) | (Arm::Candidate, _) => &source.query,
            };
            prometheus::ask(http, source, query, &filled).await
        }
        Source::Web(source) => web::ask(http, source, &filled).await,
    }
}
