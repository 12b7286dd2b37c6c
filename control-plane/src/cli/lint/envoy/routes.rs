//! Routes: one per header value, before the default; no other route in front of them.

use std::collections::BTreeMap;

use shunt_filter_core::names::{ROUTE_HEADER, SHADOW_HEADER};
use shunt_filter_core::{RouteHeader, RoutingPolicy};

use super::Findings;
use super::bootstrap::Whole;
use super::tree::At;
use super::versions;

pub(super) fn check(manager: &At<'_>, policy: Option<&RoutingPolicy>, whole: &Whole<'_>, found: &mut Findings) {
    let Some(hosts) = manager.field("route_config.virtual_hosts").map(|hosts| hosts.items()) else {
        if manager.field("rds").is_none() && manager.field("scoped_routes").is_none() {
            found.missing(
                manager,
                "route_config",
                "there are no routes: add one per version that matches its x-shunt-route, and a default one",
            );
        }
        return;
    };
    let mut values = BTreeMap::new();
    for host in &hosts {
        virtual_host(host, whole, &mut values, found);
    }
    let at = manager.field("route_config.virtual_hosts").unwrap_or_else(|| manager.clone());
    if values.is_empty() {
        found.error(&at, format!("no route matches {ROUTE_HEADER}: whatever the filter decides, every request takes the default route; add one route per version with headers: [{{name: {ROUTE_HEADER}, string_match: {{exact: NAMESPACE/ROLLOUT/VERSION}}}}]"));
    }
    versions::check(&at, &versions::decided(policy, whole.plans), &hosts, found);
}

/// The routes of one virtual host, in order: the first that matches wins.
fn virtual_host(host: &At<'_>, whole: &Whole<'_>, values: &mut BTreeMap<String, String>, found: &mut Findings) {
    let routes = host.list("routes");
    let ours = |route: &At<'_>| header(route).is_some();
    let last = routes.iter().rposition(ours);
    for (index, route) in routes.iter().enumerate() {
        cluster(route, whole, found);
        match header(route) {
            Some(header) => ours_is_right(route, &header, values, found),
            None if last.is_some_and(|last| index < last) => shadows(route, found),
            None => default_is_right(route, last.is_some(), found),
        }
    }
    if let Some(last) = last {
        let default = routes.iter().skip(last).any(|route| header(route).is_none() && is_everything(route));
        if !default {
            found.missing(host, "routes", "there is no default route after those of versions: requests that name no version get 404; add {match: {prefix: /}, route: {cluster: ...}} of a version that keeps its capacity");
        }
    }
}

/// The condition on our header.
pub(super) fn header<'v>(route: &At<'v>) -> Option<At<'v>> {
    route.list("match.headers").into_iter().find(|header| header.text("name").eq_ignore_ascii_case(ROUTE_HEADER))
}

/// Matches every path, whatever the headers.
pub(super) fn is_everything(route: &At<'_>) -> bool {
    let narrow = |header: &At<'_>| header.text("name") != ":authority";
    route.text("match.prefix") == "/" && !route.list("match.headers").iter().any(narrow) && route.list("match.query_parameters").is_empty()
}

fn ours_is_right(route: &At<'_>, header: &At<'_>, values: &mut BTreeMap<String, String>, found: &mut Findings) {
    let Some(exact) = header.field("string_match.exact").or_else(|| header.field("exact_match")) else {
        return found.error(header, format!("match the whole value, string_match: {{exact: NAMESPACE/ROLLOUT/VERSION}}: {ROUTE_HEADER} may have `;mirror=VERSION` after it"));
    };
    let text = exact.value().as_str().unwrap_or_default().to_owned();
    match text.parse::<RouteHeader>() {
        Err(error) => found.error(&exact, format!("the filter never writes this: {error}")),
        Ok(value) => {
            if value.mirror.is_some() && !marks(route) {
                found.missing(route, "route.request_mirror_policies", format!("copies must be marked, or they count and are copied again: add request_headers_mutations: [{{append: {{header: {{key: {SHADOW_HEADER}, value: \"1\"}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}}}]"));
            }
            // Two routes of one value that differ in what else they match (by method, for retries) are two routes.
            let whole = format!("{text} {:?}", route.field("match").map(|at| at.value().to_string()));
            if let Some(other) = values.insert(whole, route.path().to_owned()) {
                found.warn(route, format!("{other} has the same value {text}; where both are in one virtual host, this one never matches"));
            }
            values.insert(text, route.path().to_owned());
        }
    }
    if !is_all_paths(route) {
        found.warn(route, "matches only some paths: of the others, requests of this version take the default route");
    }
}

/// Methods and authorities may be told apart: the others have routes of their own, or are not of this service.
fn is_all_paths(route: &At<'_>) -> bool {
    let ours = |header: &At<'_>| header.text("name").starts_with(':') || header.text("name").eq_ignore_ascii_case(ROUTE_HEADER);
    route.text("match.prefix") == "/" && route.list("match.headers").iter().all(ours)
}

/// Whether each mirror of the route marks its copies.
fn marks(route: &At<'_>) -> bool {
    let mirrors = route.list("route.request_mirror_policies");
    let marked =
        |mirror: &At<'_>| mirror.list("request_headers_mutations").iter().any(|one| one.text("append.header.key") == SHADOW_HEADER);
    !mirrors.is_empty() && mirrors.iter().all(marked)
}

/// A route that is not ours in front of ours.
fn shadows(route: &At<'_>, found: &mut Findings) {
    if is_everything(route) {
        found.error(route, format!("this route takes every request before those that match {ROUTE_HEADER}: move it behind them"));
    } else {
        found.warn(route, format!("stands before routes that match {ROUTE_HEADER} and takes its requests from all versions: move it behind them, unless that is meant"));
    }
}

fn default_is_right(route: &At<'_>, is_default: bool, found: &mut Findings) {
    if let Some(weighted) = route.field("route.weighted_clusters").filter(|_| is_default) {
        found.warn(&weighted, "rolls the dice for each request, so users change version: name one cluster, and let Shunt split");
    }
}

fn cluster(route: &At<'_>, whole: &Whole<'_>, found: &mut Findings) {
    if let Some(at) = route.field("route.cluster_header").filter(|at| at.value().as_str() == Some(ROUTE_HEADER)) {
        found.error(&at, "answers 503 when the header is missing or names no cluster: use one route per value");
    }
    let Some(at) = route.field("route.cluster") else { return };
    let name = at.value().as_str().unwrap_or_default();
    if !whole.more_clusters && !whole.clusters.contains(name) {
        found.error(&at, format!("there is no cluster {name} in static_resources.clusters"));
    }
}
