//! How a call goes on after each try. Pure: the time and the luck of the draw come in.

use serde::{Deserialize, Serialize};
use shunt_spec::plan::call::{Action, CallKind, CallSpec};
use shunt_spec::time::{Span, Time};

use super::CallSeen;

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Reply {
    /// Status 2xx, exit 0.
    Yes {
        /// Who.
        by: String,
        /// In the answerer's words.
        note: String,
    },
    /// Status 403.
    No {
        /// Who.
        by: String,
        /// In the answerer's words.
        note: String,
    },
    /// An answer that is neither: another status below 500, another exit code.
    Neither {
        /// What it was.
        note: String,
    },
    /// No answer: no connection, time-out, status 408, 429 or 5xx, exit by signal.
    Nothing {
        /// Why.
        note: String,
    },
}

impl Reply {
    /// What it said, for people.
    pub fn note(&self) -> &str {
        match self {
            Reply::Yes { note, .. } | Reply::No { note, .. } | Reply::Neither { note } | Reply::Nothing { note } => note,
        }
    }
}

/// How far a call is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// When the next try is due, while it is waiting.
    pub next: Time,
    /// What is known.
    pub seen: CallSeen,
}

/// First and longest wait between two tries of a hook.
const BACK_OFF: Span = Span::seconds(1);
const BACK_OFF_MAX: Span = Span::seconds(60);

/// Time between two questions of a rollback webhook or gate that says nothing about it.
pub(crate) const INTERVAL: Span = Span::seconds(10);

impl Progress {
    /// Nothing was tried yet.
    pub fn new(now: Time) -> Self {
        Self { next: now, seen: CallSeen::Waiting { since: now, tries: 0, note: String::new() } }
    }

    /// How often it was tried, while it waits for an answer; none when it has one.
    pub fn tries(&self) -> Option<u32> {
        match &self.seen {
            CallSeen::Waiting { tries, .. } => Some(*tries),
            CallSeen::Yes { .. } | CallSeen::No { .. } | CallSeen::Failed { .. } => None,
        }
    }

    /// Whether a try should be made now.
    pub fn is_due(&self, now: Time) -> bool {
        self.tries().is_some() && self.next <= now
    }

    /// Another try begins.
    #[must_use]
    pub fn begun(&self) -> Self {
        match &self.seen {
            CallSeen::Waiting { since, tries, note } => {
                let seen = CallSeen::Waiting { since: *since, tries: tries.saturating_add(1), note: note.clone() };
                Self { next: self.next, seen }
            }
            CallSeen::Yes { .. } | CallSeen::No { .. } | CallSeen::Failed { .. } => self.clone(),
        }
    }

    /// What a try came to. `chance` is from 0 to 1: waits are spread by it, so that many calls do not come at once.
    #[must_use]
    pub fn took(&self, spec: &CallSpec, reply: Reply, now: Time, chance: f64) -> Self {
        let CallSeen::Waiting { since, tries, .. } = self.seen else { return self.clone() };
        let interval = match &spec.action {
            Action::Webhook(webhook) => webhook.interval,
            Action::Manual | Action::Command(_) => INTERVAL,
        };
        let again = |note: String, wait: Span| Self { next: now.after(wait), seen: CallSeen::Waiting { since, tries, note } };
        let over = |seen: CallSeen| Self { next: now, seen };
        match (spec.kind, reply) {
            (_, Reply::Yes { by, note }) => over(CallSeen::Yes { by, note }),
            (CallKind::Gate | CallKind::Hook, Reply::No { by, note }) => over(CallSeen::No { by, note }),
            (CallKind::Rollback, Reply::No { note, .. })
            | (CallKind::Gate | CallKind::Rollback, Reply::Neither { note } | Reply::Nothing { note }) => {
                again(note, spread(interval, chance))
            }
            (CallKind::Hook, Reply::Neither { note }) => over(CallSeen::Failed { note }),
            (CallKind::Hook, Reply::Nothing { note }) if tries > spec.retries => over(CallSeen::Failed { note }),
            (CallKind::Hook, Reply::Nothing { note }) => again(note, back_off(tries, BACK_OFF_MAX, chance)),
        }
    }
}

/// The wait after so many tries: 1 s, 2 s, 4 s, at most `longest`; a quarter more or less by chance (0 to 1).
pub fn back_off(tries: u32, longest: Span, chance: f64) -> Span {
    let doubled = BACK_OFF.0.saturating_mul(1_u64.checked_shl(tries.saturating_sub(1).min(32)).unwrap_or(u64::MAX));
    spread(Span(doubled.min(longest.0)), chance)
}

/// Three to five quarters of it.
fn spread(span: Span, chance: f64) -> Span {
    let share = 0.75 + chance.clamp(0.0, 1.0) / 2.0;
    Span((span.0 as f64 * share) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn spec(kind: CallKind, retries: u32) -> CallSpec {
        CallSpec { name: "x".to_owned(), kind, action: Action::Command(vec!["true".to_owned()]), timeout: Span::seconds(1), retries }
    }

    fn yes() -> Reply {
        Reply::Yes { by: "board.test".to_owned(), note: "fine".to_owned() }
    }

    fn no() -> Reply {
        Reply::No { by: "board.test".to_owned(), note: "not today".to_owned() }
    }

    fn neither() -> Reply {
        Reply::Neither { note: "404".to_owned() }
    }

    fn nothing() -> Reply {
        Reply::Nothing { note: "refused".to_owned() }
    }

    #[test_case(CallKind::Gate, yes(), "yes"; "a gate opens")]
    #[test_case(CallKind::Gate, no(), "no"; "a gate closes")]
    #[test_case(CallKind::Gate, neither(), "again in 10s"; "a gate is asked again")]
    #[test_case(CallKind::Gate, nothing(), "again in 10s"; "a gate that is not there is asked again")]
    #[test_case(CallKind::Hook, yes(), "yes"; "a hook is done")]
    #[test_case(CallKind::Hook, no(), "no"; "a hook refuses")]
    #[test_case(CallKind::Hook, neither(), "failed"; "a hook answers with an error")]
    #[test_case(CallKind::Hook, nothing(), "again in 1s"; "a hook is tried again")]
    #[test_case(CallKind::Rollback, yes(), "yes"; "back")]
    #[test_case(CallKind::Rollback, no(), "again in 10s"; "not back")]
    #[test_case(CallKind::Rollback, neither(), "again in 10s"; "neither")]
    #[test_case(CallKind::Rollback, nothing(), "again in 10s"; "no answer")]
    fn one_try(kind: CallKind, reply: Reply, expected: &str) {
        let after = Progress::new(Time(5)).begun().took(&spec(kind, 3), reply, Time(100), 0.5);
        let found = match &after.seen {
            CallSeen::Waiting { since, tries, .. } => {
                assert_eq!((*since, *tries), (Time(5), 1));
                format!("again in {}", after.next.since(Time(100)))
            }
            CallSeen::Yes { .. } => "yes".to_owned(),
            CallSeen::No { .. } => "no".to_owned(),
            CallSeen::Failed { .. } => "failed".to_owned(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_hook_fails_after_its_retries() {
        let hook = spec(CallKind::Hook, 2);
        let mut progress = Progress::new(Time(0));
        let mut tries = 0;
        while progress.tries().is_some() {
            assert!(progress.is_due(progress.next) && (tries == 0 || !progress.is_due(Time(progress.next.0 - 1))));
            progress = progress.begun().took(&hook, nothing(), progress.next, 0.5);
            tries += 1;
        }
        assert_eq!((tries, progress.seen), (3, CallSeen::Failed { note: "refused".to_owned() }));
    }

    #[test]
    fn an_answer_stays() {
        let answered = Progress::new(Time(0)).begun().took(&spec(CallKind::Gate, 0), yes(), Time(1), 0.5);
        assert_eq!(answered.begun().took(&spec(CallKind::Gate, 0), no(), Time(2), 0.5), answered);
        assert!(!answered.is_due(Time(u64::MAX)));
    }

    #[test_case(1, 0.5, 1_000)]
    #[test_case(2, 0.5, 2_000)]
    #[test_case(5, 0.5, 16_000)]
    #[test_case(40, 0.5, 60_000; "no longer than that")]
    #[test_case(1, 0.0, 750)]
    #[test_case(1, 1.0, 1_250)]
    fn waits_grow(tries: u32, chance: f64, expected: u64) {
        assert_eq!(back_off(tries, BACK_OFF_MAX, chance), Span(expected));
    }
}
