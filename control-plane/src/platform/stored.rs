//! What is recorded of one Rollout, on every platform.

use std::sync::Arc;

use shunt_core::advance::Next;
use shunt_core::event::OutboxMessage;
use shunt_core::{Command, State, Verb};
use shunt_filter_core::RolloutId;
use shunt_spec::{Plan, Time};

use super::Posted;

/// One Rollout as recorded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    /// What it should do: the last version of its manifest that was accepted.
    pub(crate) plan: Arc<Plan>,
    /// When its manifest was first accepted.
    pub(crate) first_seen: Time,
    /// Where it is.
    pub(crate) state: State,
    /// What is asked of it and not yet answered, oldest first.
    pub(crate) commands: Vec<Command>,
}

/// A command before the store has numbered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewCommand {
    /// What to do.
    pub(crate) verb: Verb,
    /// The revision its author saw.
    pub(crate) revision: u64,
    /// Who asks.
    pub(crate) by: String,
    /// Why.
    pub(crate) reason: String,
    /// Whether an A/B test that does not speak for it is no reason to refuse.
    pub(crate) confirm: bool,
}

/// Whether something must be recorded on a full disk, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// It leads back to stable.
    MustBeKept,
    /// Nothing goes forward before there is room.
    CanWait,
}

impl Urgency {
    /// Of a command.
    pub(crate) fn of(verb: Verb) -> Self {
        if verb == Verb::Abort { Self::MustBeKept } else { Self::CanWait }
    }

    /// Of a transition: of one that ends a run, or that ended it.
    pub(crate) fn of_transition(before: &State, next: &State) -> Self {
        let ends = next.run.as_ref().is_some_and(|run| run.stage.ending().is_some());
        let ended = next.run.is_none() && before.run.as_ref().is_some_and(|run| run.stage.ending().is_some());
        if ends || ended { Self::MustBeKept } else { Self::CanWait }
    }
}

/// A Rollout that changes nothing, because an older one owns a host of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conflicted {
    /// What its manifest says.
    pub(crate) plan: Arc<Plan>,
    /// One sentence.
    pub(crate) reason: String,
}

/// Something to be recorded of one Rollout, whole or not at all.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// It was not there before; this is its first state.
    Admitted(Arc<Stored>),
    /// Another version of its manifest was accepted, or it is gone.
    Planned(Arc<Plan>),
    /// State, journal entry, the messages that tell of it, and the commands that it answered.
    Transition(Box<Transition>),
    /// What is asked of it; kept until it is answered.
    Command(RolloutId, NewCommand),
    /// Nothing is left of it; its journal and plans stay.
    Forgotten(RolloutId),
}

/// A transition of one Rollout.
#[derive(Debug, Clone)]
pub(crate) struct Transition {
    /// Whose.
    pub(crate) id: RolloutId,
    /// The revision that it starts from: where another one is recorded, nothing is written.
    pub(crate) revision: u64,
    /// What follows.
    pub(crate) next: Next,
    /// What receivers are told.
    pub(crate) messages: Vec<OutboxMessage>,
    /// Whether it must be recorded without any room, too.
    pub(crate) urgency: Urgency,
}

impl Record {
    /// Whose.
    pub(crate) fn id(&self) -> &RolloutId {
        match self {
            Self::Admitted(stored) => &stored.plan.id,
            Self::Planned(plan) => &plan.id,
            Self::Transition(transition) => &transition.id,
            Self::Command(id, _) | Self::Forgotten(id) => id,
        }
    }
}

/// What came of recording something.
#[derive(Debug, Clone)]
pub(crate) enum Recorded {
    /// It is recorded.
    Done,
    /// A Rollout is recorded, so.
    Admitted(Arc<Stored>),
    /// A transition is recorded, and these messages are on their way.
    Posted(Vec<Posted>),
    /// A command is recorded, with its number.
    Numbered(Command),
    /// Another process recorded something meanwhile; this is what is recorded now, or nothing any more.
    Conflict(Option<Box<Stored>>),
}
