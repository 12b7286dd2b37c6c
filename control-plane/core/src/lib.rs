//! The control plane's pure core: what will happen to a Rollout, what happened, and what happens next. What users write is `shunt_spec`.
//!
//! No I/O, clock or randomness: time and measurements come in as arguments. One reconcile of one Rollout is
//! specification -> [`Plan`](shunt_spec::Plan) -> [`desired()`] -> (the world) -> [`Observation`] -> [`advance()`] -> next [`State`] and a journal entry.

pub mod advance;
pub mod analysis;
pub mod call;
pub mod capacity;
pub mod cause;
pub mod command;
pub mod compared;
pub mod contest;
pub mod delivery;
pub mod desired;
pub mod event;
pub mod explain;
pub mod figures;
#[cfg(test)]
mod fixture;
pub mod forecast;
pub mod identity;
pub mod instance;
pub mod isolation;
pub mod journal;
pub mod merge;
pub mod observation;
pub mod ranges;
pub mod recovery;
pub mod replay;
pub mod state;
pub mod status;
pub mod stored;

pub use advance::advance;
pub use command::{Command, Verb};
pub use desired::{Desired, desired};
pub use observation::Observation;
pub use state::{Phase, State};
