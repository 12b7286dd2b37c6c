//! Who is told what happens, and in which words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::EventKind;
use crate::plan::call::Action;
use crate::time::Span;

/// A receiver that is told what happens, at least once and in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// For people, unique in the Rollout.
    pub name: String,
    /// Who.
    pub to: Action,
    /// Of what; never empty.
    pub events: Vec<EventKind>,
    /// In which words.
    pub format: Format,
    /// How long one try may take.
    pub timeout: Span,
    /// Tried for so long after the event before it is given up.
    pub retry_for: Span,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// CloudEvents 1.0, structured: `application/cloudevents+json`.
    #[default]
    CloudEvents,
    /// CloudEvents 1.0, binary: attributes in headers `ce-...`, the data in the body.
    CloudEventsBinary,
    /// `{"text": "one sentence"}`, as Slack, Mattermost, Teams and Google Chat take it.
    Text,
}
