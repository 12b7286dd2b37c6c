//! What users write, and the plan that it becomes: manifests, Rollouts and their strategies, mesh policies, templates of analyses.
//!
//! No I/O, clock or randomness: texts and times come in as arguments. [`manifest`] reads a file's text into documents, and [`compile()`]
//! makes a Rollout's [`Plan`], or says at which fields something is wrong. Nothing here knows the state of a Rollout.

pub mod compile;
pub mod diff;
pub mod lint;
pub mod manifest;
pub mod mesh_policy;
pub mod plan;
pub mod plural;
mod problems;
pub mod rollout;
pub mod schema;
pub mod time;

pub use compile::{Context, compile};
pub use plan::{Plan, Step};
pub use problems::FieldError;
pub use time::{Span, Time};
