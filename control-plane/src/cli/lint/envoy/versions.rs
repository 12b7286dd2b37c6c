//! Each version that may be decided has a route, and it leads to that version.

use shunt_filter_core::{RouteHeader, RoutingPolicy};
use shunt_spec::Plan;
use shunt_spec::plan::Routing;

use super::Findings;
use super::routes::{header, is_everything};
use super::tree::At;

/// A version that the filter may decide for.
pub(super) struct Decided {
    /// `shop/checkout/v2`
    value: String,
    /// Clusters that are this version; empty: not known.
    clusters: Vec<String>,
    /// Whether the default route is its own.
    is_default: bool,
}

/// How a request comes to a route.
#[derive(Debug, Clone, Copy)]
enum Asked {
    /// By the version's value in the header.
    ByName,
    /// Without a value.
    ByDefault,
}

/// Of a policy in the bootstrap, and of Rollouts whose versions are clusters of this Envoy.
pub(super) fn decided(policy: Option<&RoutingPolicy>, plans: &[Plan]) -> Vec<Decided> {
    let services = policy.into_iter().flat_map(|policy| &policy.services);
    let written = services.flat_map(|service| {
        service.versions.iter().map(move |version| Decided {
            value: format!("{}/{}", service.name, version.name),
            clusters: version.clusters.clone(),
            is_default: Some(&version.name) == service.default_route.as_ref(),
        })
    });
    written.chain(plans.iter().flat_map(of_plan)).collect()
}

fn of_plan(plan: &Plan) -> Vec<Decided> {
    let Routing::External { default_route } = &plan.routing else { return Vec::new() };
    let versions = plan.versions.iter().filter_map(|version| Some((version, version.backend.cluster()?)));
    let decided = versions.map(|(version, cluster)| Decided {
        value: format!("{}/{}", plan.id, version.name),
        clusters: vec![cluster.clone()],
        is_default: version.name == *default_route,
    });
    decided.collect()
}

/// `at`: the virtual hosts, for what is not there at all.
pub(super) fn check(at: &At<'_>, decided: &[Decided], hosts: &[At<'_>], found: &mut Findings) {
    let routes: Vec<At<'_>> = hosts.iter().flat_map(|host| host.list("routes")).collect();
    for version in decided {
        let own: Vec<&At<'_>> = routes.iter().filter(|route| names(route).as_ref() == Some(&version.value)).collect();
        if own.is_empty() && !version.is_default {
            let value = &version.value;
            found.error(at, format!("{value} is decided, but no route matches that value: such requests take the default route; add one with headers: [{{name: x-shunt-route, string_match: {{exact: {value}}}}}]"));
        }
        own.into_iter().for_each(|route| leads(route, version, Asked::ByName, found));
        if version.is_default {
            routes
                .iter()
                .filter(|route| header(route).is_none() && is_everything(route))
                .for_each(|route| leads(route, version, Asked::ByDefault, found));
        }
    }
}

/// The version that a route matches: `shop/checkout/v2`, whatever copies it asks for.
fn names(route: &At<'_>) -> Option<String> {
    let header = header(route)?;
    let exact = header.field("string_match.exact").or_else(|| header.field("exact_match"))?;
    let value: RouteHeader = exact.value().as_str()?.parse().ok()?;
    Some(RouteHeader { mirror: None, ..value }.to_string())
}

fn leads(route: &At<'_>, version: &Decided, asked: Asked, found: &mut Findings) {
    let Some(at) = route.field("route.cluster") else { return };
    let cluster = at.value().as_str().unwrap_or_default();
    if version.clusters.is_empty() || version.clusters.iter().any(|known| known == cluster) {
        return;
    }
    let (value, right) = (&version.value, version.clusters.join(" or "));
    let whose = match asked {
        Asked::ByName => format!("requests for {value}"),
        Asked::ByDefault => format!("requests without a version, which are {value} by default,"),
    };
    found.error(
        &at,
        format!("{whose} go to {cluster}, but that version is the cluster {right}: they would count as misrouted; write {right}"),
    );
}
