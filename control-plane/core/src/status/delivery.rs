//! How far what was published has come, as it is shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_spec::plan::Routing;
use shunt_spec::time::Time;

use crate::observation::Delivery;

/// How far policy or routes have come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DeliveryView {
    /// These expected proxies have not reported it yet.
    Waiting {
        /// Node ids.
        behind: Vec<String>,
    },
    /// Every VM of every expected proxy reported it.
    Live {
        /// When the last one did.
        since: Time,
        /// How many proxies that is.
        proxies: u32,
    },
    /// A proxy refused it.
    Rejected {
        /// Node id.
        node: String,
        /// The proxy's own words.
        error: String,
    },
    /// No proxy has reported lately, so nothing can be proved.
    Unknown {
        /// Since when.
        since: Time,
    },
    /// The control plane publishes none: the routes are those of the user's own Envoy, or a feature flag needs none.
    External,
}

impl DeliveryView {
    /// Of routes: only where they are the control plane's.
    pub(super) fn of_routes(routing: &Routing, routes: &Delivery) -> Self {
        match routing {
            Routing::Managed => routes.into(),
            Routing::External { .. } | Routing::Flag { .. } => Self::External,
        }
    }
}

impl From<&Delivery> for DeliveryView {
    fn from(delivery: &Delivery) -> Self {
        match delivery.clone() {
            Delivery::Waiting { behind } => Self::Waiting { behind },
            Delivery::Live { since, proxies } => Self::Live { since, proxies },
            Delivery::Rejected { node, error } => Self::Rejected { node, error },
            Delivery::Unknown { since } => Self::Unknown { since },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_others_are_never_live_since_1970() {
        let live = Delivery::Live { since: Time::default(), proxies: 1 };
        let own = Routing::External { default_route: "v1".parse().unwrap() };
        assert_eq!(DeliveryView::of_routes(&own, &live), DeliveryView::External);
        assert_eq!(DeliveryView::of_routes(&Routing::Managed, &live), DeliveryView::Live { since: Time::default(), proxies: 1 });
    }

    #[test]
    fn names_are_those_of_the_api() {
        let json = serde_json::to_value(DeliveryView::from(&Delivery::Live { since: Time(7), proxies: 2 })).unwrap();
        assert_eq!(json, serde_json::json!({"live": {"since": 7, "proxies": 2}}));
    }
}
