//! Goals of an A/B test that an external source knows: asked while the test is on, all versions at once.
//!
//! A source tells all since the test began, so nothing is kept in the store: after a restart it is asked again.

use std::collections::BTreeMap;
use std::sync::Arc;

use shunt_core::State;
use shunt_core::analysis::external_metrics::Subject;
use shunt_core::contest::{ExternalFigures, Figures};
use shunt_core::state::Stage;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::plan::external_metrics::{Source, Value, fill, select};
use shunt_spec::plan::{AbTestStep, ExternalGoal, TestGoal};
use shunt_spec::{Plan, Time};
use tokio::sync::mpsc;

use super::http::Http;
use super::{prometheus, web};
use crate::integrations::Completion;

/// A goal of one test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    rollout: RolloutId,
    attempt: u64,
    step: usize,
    goal: String,
}

/// What is known of it.
#[derive(Debug, Default)]
struct Known {
    external: ExternalFigures,
    /// When it was asked last.
    asked: Option<Time>,
    /// Whether an answer is still to come.
    waiting: bool,
}

/// What came of a question.
#[derive(Debug)]
pub(crate) struct AnsweredGoal {
    key: Key,
    answer: Result<BTreeMap<VersionName, Figures>, String>,
}

/// All goals of tests that are on.
#[derive(Debug)]
pub(super) struct Goals {
    known: BTreeMap<Key, Known>,
    completions: mpsc::Sender<Completion>,
}

/// A question under way.
struct Question {
    goal: ExternalGoal,
    plan: Arc<Plan>,
    subject: Subject,
    versions: Vec<VersionName>,
    now: Time,
    began: Time,
}

impl Goals {
    /// None yet.
    pub(super) fn new(completions: mpsc::Sender<Completion>) -> Self {
        Self { known: BTreeMap::new(), completions }
    }

    /// Asks what is due for this Rollout, and forgets tests that are over.
    pub(super) fn attend(&mut self, http: &Http, plan: &Arc<Plan>, state: &State, now: Time) {
        let Some((step, test, began)) = on(plan, state) else {
            return self.dismiss(&plan.id);
        };
        self.known.retain(|key, _| key.rollout != plan.id || (key.attempt, key.step) == (state.attempt, step));
        let Some(subject) = Subject::of(state) else { return };
        let versions: Vec<VersionName> = std::iter::once(&state.stable).chain(test.arms.iter().map(|arm| &arm.version)).cloned().collect();
        for goal in test.goals.iter().filter_map(external) {
            let key = Key { rollout: plan.id.clone(), attempt: state.attempt, step, goal: goal.name.clone() };
            let known = self.known.entry(key.clone()).or_default();
            // A clock that stepped back must not silence it.
            let due = known.asked.is_none_or(|asked| now < asked || now.since(asked) >= goal.interval);
            if due && !known.waiting {
                (known.asked, known.waiting) = (Some(now), true);
                let (plan, subject, versions) = (Arc::clone(plan), subject.clone(), versions.clone());
                ask(http.clone(), self.completions.clone(), key, Question { goal: goal.clone(), plan, subject, versions, now, began });
            }
        }
    }

    /// What is known of the goals of the test that is on, by name.
    pub(super) fn external(&self, id: &RolloutId) -> BTreeMap<String, ExternalFigures> {
        let own = self.known.iter().filter(|(key, _)| key.rollout == *id);
        own.map(|(key, known)| (key.goal.clone(), known.external.clone())).collect()
    }

    /// Takes an answer; one of a test that is over is not waited for any more.
    pub(super) fn take(&mut self, answered: AnsweredGoal) {
        if let Some(known) = self.known.get_mut(&answered.key) {
            known.waiting = false;
            known.external.take(answered.answer);
        }
    }

    /// Its Rollout is forgotten, or has no test on.
    pub(super) fn dismiss(&mut self, id: &RolloutId) {
        self.known.retain(|key, _| key.rollout != *id);
    }
}

/// The test that is on: its step, and since when.
fn on<'p>(plan: &'p Plan, state: &State) -> Option<(usize, &'p AbTestStep, Time)> {
    let run = state.run.as_ref()?;
    let Stage::Holding { step } = run.stage else { return None };
    Some((step, plan.test(step)?, run.since))
}

fn external(goal: &TestGoal) -> Option<&ExternalGoal> {
    match goal {
        TestGoal::External(goal) => Some(goal),
        TestGoal::Counted(_) => None,
    }
}

fn ask(http: Http, completions: mpsc::Sender<Completion>, key: Key, question: Question) {
    tokio::spawn(async move {
        let answer = figures(&http, &question).await;
        if let Err(error) = &answer {
            tracing::warn!(rollout = %key.rollout, goal = key.goal, "{} could not be asked: {error}", question.goal.source.name());
        }
        // The control plane takes no answer any more when it ends.
        let _ = completions.send(Completion::Goal(AnsweredGoal { key, answer })).await;
    });
}

/// Of all versions; one of which the source has nothing yet is absent.
async fn figures(http: &Http, question: &Question) -> Result<BTreeMap<VersionName, Figures>, String> {
    let mut figures = BTreeMap::new();
    for version in &question.versions {
        let values = values(http, question, version).await.map_err(|error| format!("{version}: {error}"))?;
        if values.contains(&Value::Nothing) {
            continue;
        }
        let asked = &question.goal.figures;
        let number = |(value, ask): (&Value, &&str)| value.number().ok_or_else(|| format!("{version}: {ask}: {value} is not one number"));
        let numbers: Vec<f64> = values.iter().zip(&asked.asks()).map(number).collect::<Result<_, _>>()?;
        figures.insert(version.clone(), Figures::read(asked, &numbers).map_err(|error| format!("{version}: {error}"))?);
    }
    Ok(figures)
}

/// What each question of the goal is answered of one version.
async fn values(http: &Http, question: &Question, version: &VersionName) -> Result<Vec<Value>, String> {
    let filled = |text: &str| fill(text, |placeholder| question.value(version, placeholder));
    let asks = question.goal.figures.asks();
    let mut values = Vec::new();
    match &question.goal.source {
        Source::Prometheus(source) => {
            // Counts grow meanwhile: users, who come first, are asked last, so that no more of them succeeded than there are.
            for ask in asks.into_iter().rev() {
                values.push(prometheus::ask(http, source, ask, &filled).await?);
            }
            values.reverse();
        }
        Source::Web(source) => {
            let answer = web::answer(http, source, &filled).await?;
            for ask in asks {
                values.push(select(ask, &answer).map_err(|error| error.to_string())?);
            }
        }
    }
    Ok(values)
}

impl Question {
    fn value(&self, version: &VersionName, placeholder: &str) -> Option<String> {
        match placeholder {
            "began" => Some((self.began.0 / 1_000).to_string()),
            // PromQL has no empty ranges.
            "elapsed" => Some(format!("{}s", (self.now.since(self.began).0 / 1_000).max(1))),
            _ => self.subject.value(&self.plan, version, self.now, placeholder),
        }
    }
}
