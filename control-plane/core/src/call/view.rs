//! A gate or hook as people see it, while it waits and after it has ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_spec::plan::call::{Action, Address, CallKind, CallSpec};
use shunt_spec::time::Time;

use super::{Body, Call, CallSeen, Progress};
use crate::command::{Command, Verb};

/// One gate or hook of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallView {
    /// The id that the receiver gets, the same at each try.
    pub id: String,
    /// Name of the gate or hook.
    pub name: String,
    /// What its answer means.
    pub kind: CallKind,
    /// What it is about, for people.
    pub about: String,
    /// Who is asked, or what runs: `an operator`, `webhook gate.example`, `command /usr/local/bin/migrate`.
    pub asks: String,
    /// What happened before it, when no release waits for it: `promoted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Number of the attempt.
    pub attempt: u64,
    /// How far it is.
    pub state: CallState,
    /// How often it was tried.
    pub tries: u32,
    /// Since when it was wanted.
    pub since: Time,
    /// When it came to where it is: the last try, the answer, the end.
    pub at: Time,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// Who answered, or went on without an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last answer, in the answerer's words; may be empty.
    pub note: String,
}

/// How far a gate or hook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CallState {
    /// No answer yet.
    Waiting,
    /// A gate's yes.
    Yes,
    /// A hook is done.
    Done,
    /// A no.
    No,
    /// A hook failed, or did not answer after all retries.
    Failed,
    /// An operator went on without its answer.
    Skipped,
    /// The run went elsewhere before it had an answer.
    Ended,
}

impl std::fmt::Display for CallState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CallState::Waiting => "waiting",
            CallState::Yes => "yes",
            CallState::Done => "done",
            CallState::No => "no",
            CallState::Failed => "failed",
            CallState::Skipped => "skipped",
            CallState::Ended => "ended",
        })
    }
}

impl CallView {
    /// Wanted, and not yet tried.
    pub fn new(call: &Call, attempt: u64, since: Time) -> Self {
        Self {
            id: call.id.clone(),
            name: call.spec.name.clone(),
            kind: call.spec.kind,
            about: call.about.clone(),
            asks: asks(&call.spec),
            event: None,
            attempt,
            state: CallState::Waiting,
            tries: 0,
            since,
            at: since,
            next: None,
            by: None,
            note: String::new(),
        }
    }

    /// The same of a hook that follows an event; no release waits for it.
    pub fn following(spec: &CallSpec, body: &Body, since: Time) -> Self {
        let call = Call { id: body.id.clone(), spec: spec.clone(), about: body.about.clone() };
        Self { event: body.event.clone(), ..Self::new(&call, body.attempt, since) }
    }

    /// How far it is after so many tries. One under way has no next.
    #[must_use]
    pub fn after(self, progress: &Progress, tries: u32, under_way: bool, now: Time) -> Self {
        let view = Self { tries, at: now, next: None, ..self };
        match progress.seen.clone() {
            CallSeen::Waiting { note, .. } => {
                let next = Some(progress.next).filter(|_| !under_way);
                Self { state: CallState::Waiting, next, note, ..view }
            }
            CallSeen::Yes { by, note } => {
                let state = if view.kind == CallKind::Hook { CallState::Done } else { CallState::Yes };
                Self { state, by: Some(by), note, ..view }
            }
            CallSeen::No { by, note } => Self { state: CallState::No, by: Some(by), note, ..view },
            CallSeen::Failed { note } => Self { state: CallState::Failed, note, ..view },
        }
    }

    /// The release waits for it no more, because of this transition.
    #[must_use]
    pub fn overtaken(self, command: Option<&Command>, reason: &str, now: Time) -> Self {
        let view = Self { at: now, next: None, ..self };
        match command {
            Some(command) if matches!(command.verb, Verb::Promote | Verb::PromoteTo { .. } | Verb::PromoteFull) => {
                let state = if view.asks == OPERATOR { CallState::Yes } else { CallState::Skipped };
                Self { state, by: Some(command.by.clone()), note: command.reason.clone(), ..view }
            }
            command => {
                let by = command.map(|command| command.by.clone());
                Self { state: CallState::Ended, by, note: reason.to_owned(), ..view }
            }
        }
    }
}

/// Who answers a gate without a webhook.
const OPERATOR: &str = "an operator";

/// A URL may hold a secret: only its host is shown.
fn asks(spec: &CallSpec) -> String {
    match &spec.action {
        Action::Manual => OPERATOR.to_owned(),
        Action::Command(command) => format!("command {}", command.first().map_or("", String::as_str)),
        Action::Webhook(webhook) => match &webhook.address {
            Address::Url(url) => format!("webhook {}", host(url)),
            Address::File(file) => format!("webhook of {file}"),
        },
    }
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use shunt_spec::plan::call::Webhook;
    use shunt_spec::time::Span;
    use test_case::test_case;

    fn spec(kind: CallKind, action: Action) -> CallSpec {
        CallSpec { name: "x".to_owned(), kind, action, timeout: Span::seconds(1), retries: 0 }
    }

    fn view(kind: CallKind, action: Action) -> CallView {
        CallView::new(&Call { id: "1/1/x".to_owned(), spec: spec(kind, action), about: String::new() }, 1, Time(5))
    }

    fn webhook(address: Address) -> Action {
        let none = BTreeMap::new();
        Action::Webhook(Webhook { address, secret_file: None, headers: none.clone(), metadata: none, interval: Span::seconds(1) })
    }

    #[test_case(Action::Manual, "an operator")]
    #[test_case(Action::Command(vec!["/bin/x".to_owned(), "--key=1".to_owned()]), "command /bin/x"; "without its arguments")]
    #[test_case(webhook(Address::Url("https://a:b@gate.test:1/x?key=1".to_owned())), "webhook gate.test:1"; "without what may be secret")]
    #[test_case(webhook(Address::File("/etc/url".to_owned())), "webhook of /etc/url")]
    fn who_is_asked(action: Action, expected: &str) {
        assert_eq!(view(CallKind::Gate, action).asks, expected);
    }

    #[test]
    fn a_try_leads_to_the_next_or_to_an_answer() {
        let hook = view(CallKind::Hook, Action::Command(vec!["true".to_owned()]));
        let begun = Progress::new(Time(5)).begun();
        let under_way = hook.clone().after(&begun, 1, true, Time(6));
        assert_eq!((under_way.state, under_way.tries, under_way.next), (CallState::Waiting, 1, None));
        let again = Progress { next: Time(9), seen: CallSeen::Waiting { since: Time(5), tries: 1, note: "busy".to_owned() } };
        let waits = hook.clone().after(&again, 1, false, Time(7));
        assert_eq!((waits.next, waits.note.as_str(), waits.at), (Some(Time(9)), "busy", Time(7)));
        let yes = Progress { next: Time(9), seen: CallSeen::Yes { by: "true".to_owned(), note: String::new() } };
        assert_eq!(hook.after(&yes, 2, false, Time(8)).state, CallState::Done);
        assert_eq!(view(CallKind::Gate, Action::Manual).after(&yes, 2, false, Time(8)).state, CallState::Yes);
    }

    fn command(verb: Verb) -> Command {
        Command { id: 1, verb, revision: 1, by: "ann".to_owned(), reason: "seen it".to_owned(), confirm: false }
    }

    #[test]
    fn who_goes_on_answers_a_gate_without_a_webhook_and_skips_another() {
        let manual = view(CallKind::Gate, Action::Manual);
        let yes = manual.clone().overtaken(Some(&command(Verb::Promote)), "goes on", Time(9));
        assert_eq!((yes.state, yes.by.as_deref(), yes.note.as_str()), (CallState::Yes, Some("ann"), "seen it"));
        let asked = view(CallKind::Gate, webhook(Address::File("/u".to_owned())));
        assert_eq!(asked.overtaken(Some(&command(Verb::PromoteFull)), "goes on", Time(9)).state, CallState::Skipped);
        let ended = manual.clone().overtaken(Some(&command(Verb::Abort)), "aborted by ann", Time(9));
        assert_eq!((ended.state, ended.note.as_str()), (CallState::Ended, "aborted by ann"));
        assert_eq!(manual.overtaken(None, "another release", Time(9)).by, None);
    }
}
