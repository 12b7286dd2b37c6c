//! One HTTP connection manager: what happens to a request before our filter, and the order of filters.

use shunt_filter_core::names::HEADER_PREFIX;

use super::Findings;
use super::bootstrap::Whole;
use super::tree::At;
use super::{filter, routes};

const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
const MUTATION: &str = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";

pub(super) fn check(manager: &At<'_>, whole: &Whole<'_>, found: &mut Findings) {
    let filters = manager.list("http_filters");
    let ours: Vec<usize> = filters.iter().enumerate().filter(|(_, one)| filter::is_ours(one)).map(|(index, _)| index).collect();
    let Some(first) = ours.first().and_then(|index| filters.get(*index)) else {
        return;
    };
    if let Some(second) = ours.get(1).and_then(|index| filters.get(*index)) {
        found.error(second, "a second filter of Shunt in one listener counts and decides twice: keep one");
    }
    let router = filters.iter().position(|one| one.field("typed_config").is_some_and(|config| config.is(ROUTER)));
    match (router, ours.first()) {
        (None, _) => found.missing(manager, "http_filters", "there is no router: add envoy.filters.http.router as the last filter"),
        (Some(router), Some(own)) if router < *own => {
            found.error(first, "this stands after the router and never runs: move it before the router");
        }
        (Some(_), _) => {}
    }
    strip(manager, found);
    underscores(manager, found);
    if !manager.is_true("use_remote_address") {
        let message = "not true, so a client chooses its own x-request-id, by which copies and requests without a key are drawn: set it to true at an untrusted edge";
        found.warn(
            &At::clone(&manager.field("use_remote_address").unwrap_or_else(|| manager.clone())),
            format!("use_remote_address is {message}"),
        );
    }
    filter::check(first, whole, found);
    routes::check(manager, filter::policy(first).as_ref(), whole, found);
}

/// Clients must not be able to choose a version, also while the filter is bypassed.
fn strip(manager: &At<'_>, found: &mut Findings) {
    let extensions = manager.list("early_header_mutation_extensions");
    let mutations = extensions
        .iter()
        .filter_map(|one| one.field("typed_config"))
        .filter(|config| config.is(MUTATION))
        .flat_map(|config| config.list("mutations"));
    let strips = mutations.into_iter().any(|mutation| {
        let prefix = mutation.text("remove_on_match.key_matcher.prefix");
        !prefix.is_empty() && HEADER_PREFIX.starts_with(&prefix.to_ascii_lowercase())
    });
    if !strips {
        let message = format!(
            "clients can choose a version while the filter is bypassed: remove their {HEADER_PREFIX}* headers first, with an envoy.http.early_header_mutation.header_mutation of mutations: [{{remove_on_match: {{key_matcher: {{prefix: \"{HEADER_PREFIX}\"}}}}}}]"
        );
        found.missing(manager, "early_header_mutation_extensions", message);
    }
}

fn underscores(manager: &At<'_>, found: &mut Findings) {
    let field = "common_http_protocol_options.headers_with_underscores_action";
    if !matches!(manager.text(field), "REJECT_REQUEST" | "DROP_HEADER") {
        found.missing(manager, field, "servers behind may read x_shunt_... as x-shunt-...: write REJECT_REQUEST (or DROP_HEADER)");
    }
}
