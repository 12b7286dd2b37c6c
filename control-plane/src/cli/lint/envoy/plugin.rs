//! The filter written out: module, failure policy, and a policy in the bootstrap itself.

use std::collections::BTreeSet;

use shunt_filter_core::RoutingPolicy;

use super::Findings;
use super::bootstrap::{REPORTS, Whole};
use super::tree::At;

const TEXT: &str = "google.protobuf.StringValue";

/// The policy in a plugin's configuration; none: there is none. Errors: it cannot be read.
pub(super) fn policy(config: &At<'_>) -> Result<Option<RoutingPolicy>, String> {
    let text = config.field("configuration").filter(|at| at.is(TEXT)).map(|at| at.text("value").to_owned());
    text.map(|text| serde_json::from_str(&text).map_err(|error| error.to_string())).transpose()
}

pub(super) fn check(config: &At<'_>, whole: &Whole<'_>, found: &mut Findings) {
    if config.text("failure_policy") != "FAIL_OPEN" && !config.is_true("fail_open") {
        found.missing(
            config,
            "failure_policy",
            "write FAIL_OPEN: otherwise a dead VM answers 503 to everybody instead of letting requests pass to the default route",
        );
    }
    let code = config.field("vm_config.code");
    match code {
        Some(code) if code.field("remote").is_some() => {
            found.error(
                &code,
                "a module fetched while requests come is missing at first: write local: {filename: ...} or local: {inline_bytes: ...}",
            );
        }
        Some(_) => {}
        None => found.missing(config, "vm_config.code", "where is the module? Write local: {filename: /etc/shunt/shunt_filter.wasm}"),
    }
    match config.field("configuration") {
        Some(configuration) if !configuration.is(TEXT) => {
            found.error(
                &configuration,
                format!("the policy arrives unreadable unless it is a text: write \"@type\": type.googleapis.com/{TEXT} and value"),
            );
        }
        Some(configuration) => readable(config, &configuration, whole, found),
        None => found.missing(config, "configuration", "without a policy the filter decides nothing: `shunt render --static` prints one"),
    }
}

fn readable(config: &At<'_>, configuration: &At<'_>, whole: &Whole<'_>, found: &mut Findings) {
    let policy = match policy(config) {
        Ok(Some(policy)) => policy,
        Ok(None) => return,
        Err(error) => return found.error(configuration, format!("the policy cannot be read: {error}")),
    };
    if let Err(error) = shunt_filter_core::compile(policy.clone(), None) {
        found.error(configuration, format!("the filter would refuse the policy: {error}"));
    }
    let named: BTreeSet<&String> =
        policy.services.iter().flat_map(|service| &service.versions).flat_map(|version| &version.clusters).collect();
    for cluster in named.into_iter().filter(|cluster| !whole.more_clusters && !whole.clusters.contains(cluster.as_str())) {
        found.warn(configuration, format!("the policy expects answers from the cluster {cluster}, which is not in static_resources.clusters: they would count as misrouted"));
    }
    if policy.report.as_ref().is_some_and(|report| report.cluster == REPORTS) && !whole.clusters.contains(REPORTS) {
        found.warn(
            configuration,
            format!("the policy asks for reports to the cluster {REPORTS}, which is not there: add it, or leave `report` out"),
        );
    }
}
