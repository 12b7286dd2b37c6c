//! See the design.

use crate::command::Command;
use crate::journal::Entry;
use crate::observation::Observation;
use crate::plan::Plan;
use crate::state::State;

/// The next state, and the journal's line when anything changed. Pure and total.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// What to record and act on.
    pub state: State,
    /// None: nothing changed, nothing to record.
    pub entry: Option<Entry>,
    /// Commands that were used up or refused, with what to tell their authors.
    pub answered: Vec<(u64, String)>,
}

/// One transition at most.
pub fn advance(_plan: &Plan, _state: &State, _seen: &Observation, _commands: &[Command]) -> Next {
    todo!()
}
