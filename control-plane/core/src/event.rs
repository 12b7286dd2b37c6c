//! What happened, for receivers of notifications: each transition of the journal as CloudEvents, with its numbers.
//!
//! Pure and repeatable: the same journal gives the same events with the same ids, so that a receiver can tell a repetition.

mod kinds;
mod outbox_message;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::plan::{EventKind, Plan};
use shunt_spec::time::{Span, Time};

use crate::call::StepBody;
use crate::journal::Entry;
use crate::state::{Phase, Run, State};
use crate::status::Verdict;
pub use outbox_message::{OutboxMessage, outbox_messages};

/// What events' types begin with.
pub const TYPE_PREFIX: &str = "dev.shunt.rollout.";

/// One event, in CloudEvents' JSON format (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// `1.0`.
    pub specversion: String,
    /// Unique within its source; the same when it is delivered again.
    pub id: String,
    /// `/shunt/<namespace>/<name>`.
    pub source: String,
    /// `dev.shunt.rollout.promoted`.
    pub r#type: String,
    /// The version that it is about.
    pub subject: String,
    /// When, RFC 3339.
    pub time: String,
    /// `application/json`.
    pub datacontenttype: String,
    /// The numbers.
    pub data: Data,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// Which.
    pub rollout: RolloutId,
    /// What happened.
    pub event: EventKind,
    /// One sentence with numbers, as in the journal.
    pub reason: String,
    /// Number of the journal's entry.
    pub revision: u64,
    /// Number of the attempt.
    pub attempt: u64,
    /// After the transition.
    pub phase: Phase,
    /// What the manifest wants.
    pub release: VersionName,
    /// After the transition.
    pub stable: VersionName,
    /// The version that was stable before it; none: there was none.
    pub previous: Option<VersionName>,
    /// Of the run that it is about; none without one.
    pub candidate: Option<VersionName>,
    /// The candidate's share of keys, percent.
    pub weight: f64,
    /// Where the run is.
    pub step: Option<StepBody>,
    /// How long the run has lasted.
    pub lasted: Option<Span>,
    /// Who asked for it; none when the machine did it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// By version, as far as proxies reported.
    pub versions: BTreeMap<VersionName, Counts>,
    /// What the analysis says.
    pub verdicts: Vec<Verdict>,
    /// Requests that another version answered than was decided, or none.
    pub misrouted: u64,
}

/// Requests of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Ended ones.
    pub requests: u64,
    /// Failed ones.
    pub failed: u64,
    /// In flight.
    pub open: u64,
}

/// What a transition is to the outside, in order; most are nothing.
pub fn events(plan: &Plan, before: &State, entry: &Entry) -> Vec<Event> {
    let kinds = kinds::kinds(plan, before, &entry.next);
    kinds.into_iter().enumerate().map(|(number, kind)| event(plan, before, entry, kind, number)).collect()
}

fn event(plan: &Plan, before: &State, entry: &Entry, kind: EventKind, number: usize) -> Event {
    let data = data(plan, before, entry, kind);
    Event {
        specversion: "1.0".to_owned(),
        // Revisions of a Rollout that was forgotten and came back begin anew, its time does not.
        id: format!("{}-{}-{number}", entry.at.0, entry.revision),
        source: format!("/shunt/{}/{}", plan.id.namespace(), plan.id.name()),
        r#type: format!("{TYPE_PREFIX}{}", kind.as_str()),
        subject: data.candidate.as_ref().unwrap_or(&data.stable).to_string(),
        time: rfc3339(entry.at),
        datacontenttype: "application/json".to_owned(),
        data,
    }
}

fn data(plan: &Plan, before: &State, entry: &Entry, kind: EventKind) -> Data {
    let (next, seen) = (&entry.next, &entry.observation);
    let run = about(before, next, kind);
    let count = |version: &crate::observation::VersionSeen| Counts { requests: version.total, failed: version.failed, open: version.open };
    let command = entry.command.as_ref();
    Data {
        rollout: plan.id.clone(),
        event: kind,
        reason: entry.reason.clone(),
        revision: entry.revision,
        attempt: next.attempt,
        phase: next.phase(plan),
        release: plan.release.clone(),
        stable: next.stable.clone(),
        previous: next.before_stable().cloned(),
        candidate: run.map(|run| run.candidate.clone()).or_else(|| (kind == EventKind::RollForward).then(|| plan.release.clone())),
        weight: run.map_or(0.0, |run| run.weight.as_percent()),
        step: run.and_then(|run| StepBody::at(plan, run)),
        lasted: run.map(|run| entry.at.since(run.started)),
        by: command.map(|command| command.by.clone()),
        comment: command.map(|command| command.reason.clone()).filter(|reason| !reason.is_empty()),
        versions: seen.versions.iter().map(|(name, version)| (name.clone(), count(version))).collect(),
        verdicts: seen.verdicts.iter().map(Verdict::from).collect(),
        misrouted: seen.misrouted,
    }
}

/// The run that an event is about: the new one, or the one that is over.
fn about<'s>(before: &'s State, next: &'s State, kind: EventKind) -> Option<&'s Run> {
    match kind {
        EventKind::Superseded => before.run.as_ref().or(next.run.as_ref()),
        EventKind::Started
        | EventKind::RollForward
        | EventKind::Stepped
        | EventKind::Paused
        | EventKind::Resumed
        | EventKind::Promoted
        | EventKind::Aborted
        | EventKind::RolledBack
        | EventKind::Deleted
        | EventKind::Concluded
        | EventKind::Recovered => next.run.as_ref().or(before.run.as_ref()),
    }
}

/// A time that no calendar has is the epoch.
fn rfc3339(at: Time) -> String {
    i64::try_from(at.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default().to_string()
}
