//! Which Rollout is meant: `namespace/name`, or just the name when only one namespace has it.

use std::fmt;
use std::str::FromStr;

use shunt_api::rollouts::RolloutList;
use shunt_core::status::RolloutStatus;
use shunt_filter_core::RolloutId;
use shunt_spec::manifest::nearest;
use thiserror::Error;

use super::client::{Client, ClientError};

/// A Rollout as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// With its namespace.
    Whole(RolloutId),
    /// Just the name.
    Name(String),
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return text.parse().map(Self::Whole).map_err(|error: shunt_filter_core::names::NameError| error.to_string());
        }
        RolloutId::new("default", text).map(|id| Self::Name(id.name().to_owned())).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Why it is not clear which one is meant.
#[derive(Debug, Error)]
pub(crate) enum TargetError {
    /// The server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nothing has that name.
    #[error("there is no Rollout {target}{}\n{}", meant(.target, .all), known(.all))]
    Unknown {
        /// What was typed.
        target: Target,
        /// What there is.
        all: Vec<RolloutId>,
    },
    /// Several have it.
    #[error("{name} is in several namespaces: write one of {}", list(.all))]
    Ambiguous {
        /// What was typed.
        name: String,
        /// Those that have it.
        all: Vec<RolloutId>,
    },
}

fn list(all: &[RolloutId]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The one whose name is nearly the same.
fn meant(target: &Target, all: &[RolloutId]) -> String {
    let names: Vec<&str> = all.iter().map(RolloutId::name).collect();
    nearest(&target.to_string(), &names).map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

fn known(all: &[RolloutId]) -> String {
    if all.is_empty() {
        "None is known yet: put a manifest into the folder given by `shunt serve --config`.".to_owned()
    } else {
        format!("Known: {}", list(all))
    }
}

impl Target {
    /// As it is now.
    pub(crate) async fn view(&self, client: &Client) -> Result<RolloutStatus, TargetError> {
        match self {
            Self::Whole(id) => Ok(client.get(&["rollouts", id.namespace(), id.name()]).await?),
            Self::Name(_) => self.pick(client.get::<RolloutList>(&["rollouts"]).await?.rollouts),
        }
    }

    /// Its whole name. One with a namespace is not looked up: its history may outlive it.
    pub(crate) async fn id(&self, client: &Client) -> Result<RolloutId, TargetError> {
        match self {
            Self::Whole(id) => Ok(id.clone()),
            Self::Name(_) => Ok(self.view(client).await?.id),
        }
    }

    /// Whether it is this one.
    pub(crate) fn means(&self, id: &RolloutId) -> bool {
        match self {
            Self::Whole(whole) => whole == id,
            Self::Name(name) => name == id.name(),
        }
    }

    fn pick(&self, views: Vec<RolloutStatus>) -> Result<RolloutStatus, TargetError> {
        let (mut found, others): (Vec<_>, Vec<_>) = views.into_iter().partition(|view| self.means(&view.id));
        let ids = |views: Vec<RolloutStatus>| views.into_iter().map(|view| view.id).collect();
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(TargetError::Unknown { target: self.clone(), all: ids(others) }),
            (Some(view), true) => Ok(view),
            (Some(view), false) => {
                found.push(view);
                Err(TargetError::Ambiguous { name: self.to_string(), all: ids(found) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("checkot", "; did you mean checkout?"; "a letter left out")]
    #[test_case("chekcout", "; did you mean checkout?"; "two letters swapped")]
    #[test_case("cart", ""; "another name")]
    fn a_name_that_is_nearly_right(name: &str, expected: &str) {
        let all = ["shop/search", "shop/checkout"].map(|id| id.parse().unwrap());
        assert_eq!(meant(&name.parse().unwrap(), &all), expected);
    }
}
