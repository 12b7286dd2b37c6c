//! What a transition sends out: the Rollout's notifications and the hooks that follow events.

use serde::{Deserialize, Serialize};
use shunt_spec::plan::{EventKind, Hook, HookPoint, Notification, Plan};

use super::{Event, events};
use crate::call::{Body, Call};
use crate::journal::Entry;
use crate::state::{Ending, State};

/// One thing to deliver to a receiver, at least once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum OutboxMessage {
    /// An event for one of `notifications`.
    Notice {
        /// To whom.
        to: Notification,
        /// What.
        event: Box<Event>,
    },
    /// One of `hooks` that a release does not wait for.
    Hook {
        /// What to call.
        hook: Hook,
        /// What to say.
        body: Box<Body>,
    },
}

impl OutboxMessage {
    /// Messages to the same receiver are delivered in order; a receiver that does not answer keeps no other receiver waiting.
    pub fn lane(&self) -> String {
        match self {
            OutboxMessage::Notice { to, .. } => format!("notification {}", to.name),
            OutboxMessage::Hook { hook, .. } => format!("hook {}", hook.call.name),
        }
    }

    /// For people: what it is about.
    pub fn about(&self) -> String {
        match self {
            OutboxMessage::Notice { event, .. } => format!("{} of {}", event.data.event.as_str(), event.subject),
            OutboxMessage::Hook { body, .. } => body.about.clone(),
        }
    }

    /// To the receiver as the manifest names it now: a wrong address that is put right helps what waits.
    #[must_use]
    pub fn readdressed(self, plan: &Plan) -> Self {
        match self {
            OutboxMessage::Notice { to, event } => {
                let now = plan.notifications.iter().find(|known| known.name == to.name).cloned();
                OutboxMessage::Notice { to: now.unwrap_or(to), event }
            }
            OutboxMessage::Hook { hook, body } => {
                let now = plan.hooks.iter().find(|known| known.call.name == hook.call.name && known.on == hook.on).cloned();
                OutboxMessage::Hook { hook: now.unwrap_or(hook), body }
            }
        }
    }
}

/// All that follows from a transition, in order.
pub fn outbox_messages(plan: &Plan, before: &State, entry: &Entry) -> Vec<OutboxMessage> {
    let events = events(plan, before, entry);
    events.iter().flat_map(|event| notices(plan, event).chain(hooks(plan, before, entry, event)).collect::<Vec<_>>()).collect()
}

fn notices<'a>(plan: &'a Plan, event: &'a Event) -> impl Iterator<Item = OutboxMessage> + 'a {
    let wanted = plan.notifications.iter().filter(|to| to.events.contains(&event.data.event));
    wanted.map(|to| OutboxMessage::Notice { to: to.clone(), event: Box::new(event.clone()) })
}

fn hooks<'a>(plan: &'a Plan, before: &'a State, entry: &'a Entry, event: &'a Event) -> impl Iterator<Item = OutboxMessage> + 'a {
    let point = point(event.data.event, before, &entry.next);
    let wanted = plan.hooks.iter().filter(move |hook| Some(hook.on) == point);
    wanted.map(move |hook| {
        let kind = event.data.event.as_str();
        let about = format!("hook {} after {kind} of {}", hook.call.name, event.subject);
        let call = Call { id: format!("{}/{}", event.id, hook.call.name), spec: hook.call.clone(), about };
        let run = super::about(before, &entry.next, event.data.event);
        let body =
            Body { event: Some(kind.to_owned()), candidate: event.data.candidate.clone(), ..Body::new(plan, &entry.next, run, &call) };
        OutboxMessage::Hook { hook: hook.clone(), body: Box::new(body) }
    })
}

/// Which hooks follow an event. What undoes things comes when no user is on the candidate any more, not when keys begin to go back.
fn point(kind: EventKind, before: &State, next: &State) -> Option<HookPoint> {
    match kind {
        EventKind::Promoted => Some(HookPoint::AfterPromote),
        EventKind::Stepped => Some(HookPoint::OnStep),
        EventKind::RollForward => Some(HookPoint::OnRollForward),
        // An older version is stable again; when keys of a run only begin to go back, `Recovered` follows.
        EventKind::RolledBack => next.run.is_none().then_some(HookPoint::OnRollback),
        EventKind::Recovered => match before.run.as_ref().and_then(|run| run.stage.ending()) {
            Some(Ending::Refused { .. } | Ending::RolledBack) => Some(HookPoint::OnRollback),
            Some(Ending::Superseded | Ending::Deleted | Ending::Concluded { .. }) | None => None,
        },
        EventKind::Started
        | EventKind::Paused
        | EventKind::Resumed
        | EventKind::Aborted
        | EventKind::Superseded
        | EventKind::Deleted
        | EventKind::Concluded => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, at_rest, refused, run, with};
    use crate::state::{Run, Stage};
    use test_case::test_case;

    fn over(ending: Ending) -> State {
        at(Stage::Draining(ending))
    }

    fn back() -> State {
        with(Run { returning: true, ..run("v2", 1, Stage::Switching) })
    }

    #[test_case(EventKind::Promoted, &at(Stage::Switching), &at_rest("v2"), Some(HookPoint::AfterPromote))]
    #[test_case(EventKind::Stepped, &at(Stage::Preparing), &at(Stage::Applying { step: 0 }), Some(HookPoint::OnStep))]
    #[test_case(EventKind::RollForward, &refused(), &at_rest("v1"), Some(HookPoint::OnRollForward))]
    #[test_case(EventKind::Aborted, &at(Stage::Shifting), &over(Ending::RolledBack), None; "keys only begin to go back")]
    #[test_case(EventKind::RolledBack, &back(), &over(Ending::RolledBack), None; "the same, of a return")]
    #[test_case(EventKind::RolledBack, &back(), &at_rest("v2"), Some(HookPoint::OnRollback); "an older version is stable again")]
    #[test_case(EventKind::Recovered, &over(Ending::Refused { reason: String::new() }), &at_rest("v1"), Some(HookPoint::OnRollback))]
    #[test_case(EventKind::Recovered, &over(Ending::RolledBack), &at_rest("v1"), Some(HookPoint::OnRollback); "taken back")]
    #[test_case(EventKind::Recovered, &over(Ending::Superseded), &at_rest("v1"), None; "another one comes")]
    #[test_case(EventKind::Recovered, &over(Ending::Concluded { result: String::new() }), &at_rest("v1"), None; "nothing went wrong")]
    fn hooks_follow(kind: EventKind, before: &State, next: &State, expected: Option<HookPoint>) {
        assert_eq!(point(kind, before, next), expected);
    }
}
