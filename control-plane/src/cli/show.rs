//! Values of the API as lines for people.

pub(crate) mod all;
mod calls;
mod contest;
pub(crate) mod explanation;
mod figures;
pub(crate) mod forecast;
pub(crate) mod one;
pub(crate) mod proxies;
pub(crate) mod transitions;
