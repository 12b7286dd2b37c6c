//! Our filter in the chain: discovered (ECDS, or a file), or written out.

use shunt_filter_core::RoutingPolicy;

use super::bootstrap::{Whole, api};
use super::tree::At;
use super::{Findings, plugin};

/// The name of the filter and of its resource.
const NAME: &str = "shunt";
pub(super) const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";

/// Whether this HTTP filter is ours.
pub(super) fn is_ours(filter: &At<'_>) -> bool {
    let wasm = |url: &At<'_>| url.value().as_str().is_some_and(|url| url.rsplit('/').next() == Some(WASM));
    match (filter.field("config_discovery"), filter.field("typed_config")) {
        (Some(discovery), _) => {
            filter.text("name") == NAME || (discovery.list("type_urls").iter().any(wasm) && filter.text("name").contains(NAME))
        }
        (None, Some(config)) => config.is(WASM) && (config.text("config.root_id") == NAME || config.text("config.name") == NAME),
        (None, None) => false,
    }
}

/// Whether a connection manager has it.
pub(super) fn is_there(manager: &At<'_>) -> bool {
    manager.list("http_filters").iter().any(is_ours)
}

/// Whether its configuration comes from a control plane.
pub(super) fn is_controlled(manager: &At<'_>) -> bool {
    let discovered = |filter: &At<'_>| {
        is_ours(filter) && filter.field("config_discovery.config_source").is_some_and(|source| source.field("path_config_source").is_none())
    };
    manager.list("http_filters").iter().any(discovered)
}

/// The policy that stands in the bootstrap itself.
pub(super) fn policy(filter: &At<'_>) -> Option<RoutingPolicy> {
    plugin::policy(&filter.field("typed_config.config")?).ok().flatten()
}

pub(super) fn check(filter: &At<'_>, whole: &Whole<'_>, found: &mut Findings) {
    match (filter.field("config_discovery"), filter.field("typed_config.config")) {
        (Some(discovery), _) => discovered(filter, &discovery, whole, found),
        (None, Some(config)) => plugin::check(&config, whole, found),
        (None, None) => {}
    }
}

fn discovered(filter: &At<'_>, discovery: &At<'_>, whole: &Whole<'_>, found: &mut Findings) {
    if let Some(name) = filter.field("name").filter(|name| name.value().as_str() != Some(NAME)) {
        found.error(
            &name,
            format!("the control plane calls the filter's configuration {NAME:?}, and Envoy asks for it by this name: write {NAME}"),
        );
    }
    match discovery.field("config_source") {
        None => found.missing(
            discovery,
            "config_source",
            "where does the configuration come from? Write api_config_source with the control plane's cluster",
        ),
        Some(source) => sourced(&source, whole, found),
    }
    let urls = discovery.list("type_urls");
    let lists = |message: &str| urls.iter().any(|url| url.value().as_str().is_some_and(|url| url.rsplit('/').next() == Some(message)));
    if !lists(WASM) {
        found.missing(discovery, "type_urls", format!("list type.googleapis.com/{WASM}, or Envoy refuses the filter"));
    }
    match discovery.field("default_config") {
        None => found.missing(
            discovery,
            "default_config",
            "without it the listener waits for the control plane and then answers 500: give an empty envoy.extensions.filters.http.rbac.v3.RBAC, which lets every request pass",
        ),
        Some(default) => {
            let message = default.value().get("@type").and_then(|url| url.as_str()).and_then(|url| url.rsplit('/').next()).unwrap_or_default();
            if !lists(message) {
                found.missing(discovery, "type_urls", format!("list type.googleapis.com/{message} too: default_config is one"));
            }
        }
    }
    if !discovery.is_true("apply_default_config_without_warming") {
        found.missing(
            discovery,
            "apply_default_config_without_warming",
            "write true, or the listener waits for the control plane at the start",
        );
    }
}

fn sourced(source: &At<'_>, whole: &Whole<'_>, found: &mut Findings) {
    if source.text("resource_api_version") != "V3" {
        found.missing(source, "resource_api_version", "write V3: Envoy's default is long gone");
    }
    if let Some(by_api) = source.field("api_config_source") {
        api(whole, &by_api, found);
    } else if let Some(ads) = source.field("ads") {
        if whole.root.field("dynamic_resources.ads_config").is_none() {
            found.error(&ads, "there is no dynamic_resources.ads_config to take it from");
        }
    } else if source.field("path_config_source").is_none() {
        found.error(source, "write api_config_source (from the control plane) or path_config_source (from a file)");
    }
}
