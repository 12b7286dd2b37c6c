//! Webhooks and commands as written, gates and hooks as steps, and where the ones of a whole release go among the steps.

mod action;
mod insert_gates;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;

use crate::plan::Step;
use crate::plan::call::{Action, CallKind, CallSpec};
use crate::problems::Problems;
use crate::rollout::rule::RuleNames;
use crate::schema::ExactlyOne;
use crate::time::Span;
pub use action::WebhookSpec;
pub(crate) use action::target;
pub(crate) use insert_gates::{Places, Whose, insert_gates};

/// `gate`: asks, and goes on with a yes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateSpec {
    /// Its name. Required in a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who is asked. Default: a person, who answers with `shunt promote` or `shunt abort`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSpec>,
    /// How long one question may take. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Time between two questions. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
}

/// `hook`: does something, and goes on when it is done. Exactly one of `webhook`, `command`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["webhook", "command"]))]
pub struct HookSpec {
    /// Its name. Required in a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An HTTP POST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSpec>,
    /// Program and arguments, no shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// How long one try may take. Default: 30s for a webhook, 10m for a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Further tries when there is no answer. Default: 3 for a webhook, 0 for a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// Whose name is taken when none is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Naming<'a> {
    /// A name must be written.
    Required,
    /// That of the field.
    Field(&'a str),
}

const GATE_TIMEOUT: Span = Span::seconds(10);
const GATE_INTERVAL: Span = Span::seconds(10);
const INTERVAL_MIN: Span = Span::millis(100);
pub(crate) const WEBHOOK_TIMEOUT: Span = Span::seconds(30);
pub(crate) const COMMAND_TIMEOUT: Span = Span::seconds(600);
const TIMEOUT_MAX: Span = Span::seconds(86_400);
const WEBHOOK_RETRIES: u32 = 3;
const RETRIES_MAX: u32 = 100;

impl GateSpec {
    /// As a step, every problem noted. `path` is where it stands in the manifest.
    pub(crate) fn step(&self, path: &str, names: &mut RuleNames, problems: &mut Problems) -> Option<Step> {
        self.call(CallKind::Gate, Naming::Required, path, names, problems).map(|call| Step::Call(Box::new(call)))
    }

    /// What to ask.
    pub(crate) fn call(
        &self,
        kind: CallKind,
        naming: Naming<'_>,
        path: &str,
        names: &mut RuleNames,
        problems: &mut Problems,
    ) -> Option<CallSpec> {
        let name = name(self.name.as_deref(), naming, path, names, problems);
        let interval = self.interval.unwrap_or(GATE_INTERVAL);
        if interval < INTERVAL_MIN {
            problems.add(format!("{path}.interval"), format!("{interval} is too short: write {INTERVAL_MIN} or more"));
        }
        let action = match &self.webhook {
            Some(webhook) => Action::Webhook(webhook.check(&format!("{path}.webhook"), interval, problems)?),
            None => self.manual(path, problems),
        };
        let timeout = timeout(self.timeout.unwrap_or(GATE_TIMEOUT), path, problems);
        Some(CallSpec { name: name?, kind, action, timeout, retries: 0 })
    }

    /// A person needs no time-out.
    fn manual(&self, path: &str, problems: &mut Problems) -> Action {
        for (field, written) in [("timeout", self.timeout.is_some()), ("interval", self.interval.is_some())] {
            if written {
                problems.add(
                    format!("{path}.{field}"),
                    "is for webhooks, and a person answers this gate: remove it, or write webhook: {url: ...}",
                );
            }
        }
        Action::Manual
    }
}

impl HookSpec {
    /// As a step, every problem noted. `path` is where it stands in the manifest.
    pub(crate) fn step(&self, path: &str, names: &mut RuleNames, problems: &mut Problems) -> Option<Step> {
        self.call(Naming::Required, path, names, problems).map(|call| Step::Call(Box::new(call)))
    }

    /// What to do.
    pub(crate) fn call(&self, naming: Naming<'_>, path: &str, names: &mut RuleNames, problems: &mut Problems) -> Option<CallSpec> {
        let name = name(self.name.as_deref(), naming, path, names, problems);
        let action = target(self.webhook.as_ref(), self.command.as_deref(), path, problems)?;
        let (longest, tries) = match action {
            Action::Command(_) => (COMMAND_TIMEOUT, 0),
            Action::Webhook(_) | Action::Manual => (WEBHOOK_TIMEOUT, WEBHOOK_RETRIES),
        };
        let retries = self.retries.unwrap_or(tries);
        if retries > RETRIES_MAX {
            problems.add(format!("{path}.retries"), format!("{retries} is too many: write {RETRIES_MAX} or less"));
        }
        let timeout = timeout(self.timeout.unwrap_or(longest), path, problems);
        Some(CallSpec { name: name?, kind: CallKind::Hook, action, timeout, retries })
    }
}

/// The name of a gate, hook or notification, noted as taken.
pub(crate) fn name(
    written: Option<&str>,
    naming: Naming<'_>,
    path: &str,
    names: &mut RuleNames,
    problems: &mut Problems,
) -> Option<String> {
    let at = format!("{path}.name");
    let name = match (written, naming) {
        (Some(written), _) => match written.parse::<VersionName>() {
            Ok(_) => written,
            Err(error) => {
                problems.add(at, error);
                return None;
            }
        },
        (None, Naming::Field(field)) => field,
        (None, Naming::Required) => {
            problems.add(at, "is missing: write a name for messages and the journal, for example change-board");
            return None;
        }
    };
    if let Some(other) = names.get(name) {
        problems.add(at, format!("{name:?} is the name of {other} too: names of rules, gates, hooks and notifications must differ"));
        return None;
    }
    names.insert(name.to_owned(), path.to_owned());
    Some(name.to_owned())
}

/// How long a try may take.
pub(crate) fn timeout(timeout: Span, path: &str, problems: &mut Problems) -> Span {
    if timeout == Span::millis(0) || timeout > TIMEOUT_MAX {
        problems.add(format!("{path}.timeout"), format!("{timeout} is not possible: write more than 0s and at most {TIMEOUT_MAX}"));
    }
    timeout
}
