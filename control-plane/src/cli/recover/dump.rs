//! Envoy's `/config_dump` -> what the proxy runs: the filter's configuration and the default routes.
//!
//! See envoy.admin.v3.EcdsConfigDump and envoy.admin.v3.RoutesConfigDump. Only names of the control plane's own are looked at.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::Value;
use shunt_core::recovery::Running;
use shunt_filter_core::names::ROUTE_HEADER;
use shunt_filter_core::{RolloutId, RoutingPolicy, VersionName};

/// Name of the filter's configuration and of the route configuration, as they are served.
const SHUNT: &str = "shunt";

/// What it runs. Errors when it is no dump, or shows no policy.
pub(super) fn running(text: &str) -> anyhow::Result<Running> {
    let dump: Value = serde_json::from_str(text).context("it is no JSON: /config_dump of an Envoy is wanted")?;
    let configs = list(&dump, "configs");
    ensure!(!configs.is_empty(), "it has no field configs: /config_dump of an Envoy is wanted");
    let of = |kind: &str| configs.iter().filter(move |config| text_at(config, "/@type").ends_with(kind)).collect::<Vec<_>>();
    let filters = of(".EcdsConfigDump");
    let filters = filters.iter().flat_map(|dump| list(dump, "ecds_filters"));
    let policy = filters.filter(|filter| text_at(filter, "/ecds_filter/name") == SHUNT).find_map(policy);
    let policy = policy.context("it shows no filter configuration named shunt (ECDS): does this Envoy have Shunt's filter?")?;
    let policy: RoutingPolicy = serde_json::from_str(&policy).context("its policy cannot be read")?;
    let routes = of(".RoutesConfigDump");
    let default_routes = routes.iter().flat_map(|dump| list(dump, "dynamic_route_configs")).flat_map(defaults).collect();
    // Keys for signing are not needed, and go nowhere.
    Ok(Running { policy: policy.redacted(), default_routes })
}

/// The text that the filter was configured with.
fn policy(filter: &Value) -> Option<String> {
    let configuration = filter.pointer("/ecds_filter/typed_config/config/configuration/value")?;
    configuration.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// By Rollout, the version of the cluster that the route leads to which asks for no route header.
fn defaults(configuration: &Value) -> BTreeMap<RolloutId, VersionName> {
    if text_at(configuration, "/route_config/name") != SHUNT {
        return BTreeMap::new();
    }
    let hosts = configuration.pointer("/route_config").map(|routes| list(routes, "virtual_hosts")).unwrap_or_default();
    let routes = hosts.iter().flat_map(|host| list(host, "routes"));
    routes.filter(|route| is_default(route)).filter_map(|route| cluster(text_at(route, "/route/cluster"))).collect()
}

fn is_default(route: &Value) -> bool {
    let headers = route.pointer("/match").map(|rule| list(rule, "headers")).unwrap_or_default();
    !headers.iter().any(|header| text_at(header, "/name") == ROUTE_HEADER)
}

/// `shunt/NAMESPACE/NAME/VERSION`
fn cluster(name: &str) -> Option<(RolloutId, VersionName)> {
    let mut parts = name.strip_prefix("shunt/")?.split('/');
    let (namespace, name, version) = (parts.next()?, parts.next()?, parts.next()?);
    Some((RolloutId::new(namespace, name).ok()?, version.parse().ok()?))
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dump(policy: &str) -> String {
        json!({"configs": [
            {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {}},
            {"@type": "type.googleapis.com/envoy.admin.v3.EcdsConfigDump", "ecds_filters": [
                {"ecds_filter": {"name": "another"}},
                {"ecds_filter": {
                    "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
                    "name": "shunt",
                    "typed_config": {"config": {"configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy}}},
                }},
            ]},
            {"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": [
                {"route_config": {"name": "another", "virtual_hosts": [{"routes": [{"match": {"prefix": "/"}, "route": {"cluster": "shunt/a/b/c"}}]}]}},
                {"route_config": {"name": "shunt", "virtual_hosts": [{"routes": [
                    {"match": {"prefix": "/", "headers": [{"name": "x-shunt-route"}]}, "route": {"cluster": "shunt/shop/checkout/v2/fallback"}},
                    {"match": {"prefix": "/", "headers": [{"name": ":method"}]}, "route": {"cluster": "shunt/shop/checkout/v1"}},
                    {"match": {"prefix": "/"}, "route": {"cluster": "shunt/shop/checkout/v1"}},
                ]}, {"routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 503}}]}]}},
            ]},
        ]})
        .to_string()
    }

    #[test]
    fn policy_and_default_routes_are_found() {
        let found = running(&dump(r#"{"format": 1, "generation": 57, "services": []}"#)).unwrap();
        assert_eq!(found.policy.generation, 57);
        let routes: Vec<String> = found.default_routes.iter().map(|(id, version)| format!("{id} {version}")).collect();
        assert_eq!(routes, ["shop/checkout v1"]);
    }

    #[test]
    fn what_is_no_dump_of_a_proxy_of_ours_is_said() {
        let error = |text: &str| format!("{:#}", running(text).unwrap_err());
        assert!(error("<html>").contains("/config_dump of an Envoy is wanted"));
        assert!(error("{}").contains("no field configs"));
        assert!(error(r#"{"configs": [{"@type": "x"}]}"#).contains("does this Envoy have Shunt's filter?"));
        assert!(error(&dump("{")).contains("its policy cannot be read"));
    }
}
