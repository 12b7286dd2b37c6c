//! `notifications`: who is told what happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::call::Action;
use crate::plan::{EventKind, Format, Notification};
use crate::problems::Problems;
use crate::rollout::calls::{COMMAND_TIMEOUT, Naming, WEBHOOK_TIMEOUT, WebhookSpec, name, target, timeout};
use crate::rollout::rule::RuleNames;
use crate::schema::ExactlyOne;
use crate::time::Span;

/// A receiver of what happens. Exactly one of `webhook`, `command`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["webhook", "command"]))]
pub struct NotificationSpec {
    /// Its name. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// An HTTP POST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSpec>,
    /// Program and arguments, no shell; the event is on standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Of what. Default: everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventKind>>,
    /// In which words. Default: CloudEvents, structured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How long one try may take. Default: 30s for a webhook, 10m for a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Tried for so long. Default: 1h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_for: Option<Span>,
}

const RETRY_FOR: Span = Span::seconds(3_600);
const RETRY_FOR_MAX: Span = Span::seconds(7 * 86_400);
const NOTIFICATIONS_MAX: usize = 16;

/// All of them, every problem noted.
pub(crate) fn notifications(written: Option<&[NotificationSpec]>, names: &mut RuleNames, problems: &mut Problems) -> Vec<Notification> {
    let written = written.unwrap_or_default();
    if written.len() > NOTIFICATIONS_MAX {
        problems.add("spec.notifications", format!("has {} entries: at most {NOTIFICATIONS_MAX} are allowed", written.len()));
    }
    let each = written.iter().enumerate();
    each.filter_map(|(index, spec)| spec.check(&format!("spec.notifications[{index}]"), names, problems)).collect()
}

impl NotificationSpec {
    fn check(&self, path: &str, names: &mut RuleNames, problems: &mut Problems) -> Option<Notification> {
        let name = name(self.name.as_deref(), Naming::Required, path, names, problems);
        let events = self.events.clone().unwrap_or_else(|| EventKind::ALL.to_vec());
        if events.is_empty() {
            problems.add(format!("{path}.events"), "is empty, so nothing would ever be told: leave it out for everything");
        }
        let retry_for = self.retry_for.unwrap_or(RETRY_FOR);
        if retry_for > RETRY_FOR_MAX {
            problems.add(format!("{path}.retryFor"), format!("{retry_for} is too long: write {RETRY_FOR_MAX} or less"));
        }
        let to = target(self.webhook.as_ref(), self.command.as_deref(), path, problems)?;
        let longest = match to {
            Action::Command(_) => COMMAND_TIMEOUT,
            Action::Webhook(_) | Action::Manual => WEBHOOK_TIMEOUT,
        };
        let timeout = timeout(self.timeout.unwrap_or(longest), path, problems);
        Some(Notification { name: name?, to, events, format: self.format.unwrap_or_default(), timeout, retry_for })
    }
}
