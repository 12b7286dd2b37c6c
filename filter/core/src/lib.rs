//! Decides one request: which version of a service answers, whether a copy goes to another one, which flags it carries.
//!
//! Pure: no I/O, clock or randomness. The filter runs it inside the proxy, the control plane compiles every policy with it
//! before pushing, and `shunt explain` runs it on the command line, so all three always agree.
//!
//! [`RoutingPolicy`] is what is pushed, [`compile()`] turns it into a [`Router`], [`Router::site`] finds what a request's host asks to
//! be decided and [`Site::decide`] makes the [`Decisions`]: the service's [`Decision`] and the value of each flag.

mod assignment;
mod at;
mod bits;
mod bounded;
pub mod compile;
pub mod cookie;
pub mod deadlines;
pub mod decide;
pub mod decision;
pub mod exemplar;
mod fields;
pub mod flag;
pub mod footprint;
pub mod goal;
pub mod headers;
mod hosts;
pub mod json;
mod key;
pub mod limits;
pub mod matching;
pub mod method;
pub mod metric;
mod mirror;
pub mod names;
pub mod outcome;
pub mod pairs;
pub mod policy;
pub mod report;
pub mod request;
pub mod router;
mod service;
pub mod signing;
pub mod site;
pub mod split;
pub mod template;
pub mod watch;
pub mod weight;

pub use compile::{PolicyError, compile};
pub use decision::{Decision, Decisions, Reason};
pub use flag::CompiledFlag;
pub use headers::Headers;
pub use names::{BaselineName, RolloutId, RouteHeader, VersionName};
pub use policy::{RoutingPolicy, ServicePolicy};
pub use request::{Needs, Request};
pub use router::{Router, Service};
pub use site::Site;
pub use watch::Watch;
pub use weight::Weight;
