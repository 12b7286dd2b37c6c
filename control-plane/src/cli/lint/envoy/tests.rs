//! The shipped bootstraps are right; each edit makes one thing wrong.

use test_case::test_case;

use super::{Severity, check};

const OWN_ROUTES: &str = include_str!("../../../../../envoy/own-routes/envoy.yaml");
const STATIC: &str = include_str!("../../../../../envoy/static/envoy.yaml");

fn findings(text: &str) -> Vec<(Severity, String, String)> {
    check(text, &[]).unwrap().into_iter().map(|finding| (finding.severity, finding.path, finding.message)).collect()
}

#[test]
fn shipped_bootstraps_are_right() {
    assert_eq!(findings(OWN_ROUTES), []);
    assert_eq!(findings(STATIC), []);
    // As JSON, with names in camel case.
    let json: serde_json::Value = serde_saphyr::from_str(OWN_ROUTES).unwrap();
    let text = json.to_string();
    let camel = ["static_resources", "http_filters", "config_discovery", "filter_chains", "typed_config", "route_config", "virtual_hosts"]
        .iter()
        .fold(text, |text, name| {
            let mut words = name.split('_');
            let first = words.next().unwrap().to_owned();
            let camel = words.fold(first, |all, word| all + &word[..1].to_uppercase() + &word[1..]);
            text.replace(&format!("\"{name}\""), &format!("\"{camel}\""))
        });
    assert_eq!(findings(&camel), []);
}

const HCM: &str = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config";

/// One edit of the shipped file, and the one finding it makes: severity, end of the path, a part of the message.
#[test_case("node: {id: edge-1, cluster: edge}", "node: {cluster: edge}", Severity::Error, "node.id", "one name per Envoy"; "no node id")]
#[test_case("node: {id: edge-1, cluster: edge}", "node: {id: edge-1}", Severity::Error, "node.cluster", "only with"; "no node cluster")]
#[test_case("address: 127.0.0.1, port_value: 9901", "address: 0.0.0.0, port_value: 9901", Severity::Warning, "admin.address.socket_address.address", "bind it to 127.0.0.1"; "an open admin interface")]
#[test_case("use_remote_address: true", "use_remote_address: false", Severity::Warning, "typed_config.use_remote_address", "x-request-id"; "a client's own request id")]
#[test_case("common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}", "via: x", Severity::Error, "headers_with_underscores_action", "REJECT_REQUEST"; "underscores")]
#[test_case("prefix: \"x-shunt-\"", "prefix: \"x-other-\"", Severity::Error, "early_header_mutation_extensions", "clients can choose a version"; "clients' headers stay")]
#[test_case("- name: shunt\n                    config_discovery", "- name: canary-shunt\n                    config_discovery", Severity::Error, "http_filters[0].name", "write shunt"; "another name of the filter")]
#[test_case("cluster_name: shunt-xds}}]\n", "cluster_name: elsewhere}}]\n", Severity::Error, "grpc_services[0].envoy_grpc.cluster_name", "there is no cluster \"elsewhere\""; "a cluster that is not there")]
#[test_case("api_type: DELTA_GRPC", "api_type: REST", Severity::Error, "api_config_source.api_type", "DELTA_GRPC"; "not gRPC")]
#[test_case("transport_api_version: V3", "transport_api_version: AUTO", Severity::Error, "transport_api_version", "V3"; "an old transport")]
#[test_case("resource_api_version: V3", "x: V3", Severity::Error, "resource_api_version", "V3"; "an old resource version")]
#[test_case("default_config:", "other_config:", Severity::Error, "config_discovery.default_config", "answers 500"; "no default")]
#[test_case("apply_default_config_without_warming: true", "apply_default_config_without_warming: false", Severity::Error, "apply_default_config_without_warming", "at the start"; "warming")]
#[test_case("- type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n", "", Severity::Error, "config_discovery.type_urls", "wasm.v3.Wasm"; "the filter's type is not listed")]
#[test_case("- type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC\n", "- type.googleapis.com/other.Filter\n", Severity::Error, "config_discovery.type_urls", "default_config is one"; "the default's type is not listed")]
#[test_case("headers: [{name: x-shunt-route, string_match: {exact: shop/checkout/v2}}]", "headers: [{name: x-shunt-route, string_match: {prefix: shop/checkout/v2}}]", Severity::Error, "routes[1].match.headers[0]", "match the whole value"; "a prefix")]
#[test_case("exact: shop/checkout/v2", "exact: shop/checkout/Candidate", Severity::Error, "routes[1].match.headers[0].string_match.exact", "the filter never writes this"; "no value of ours")]
#[test_case("exact: shop/checkout/v2", "exact: shop/checkout/v1", Severity::Warning, "routes[1]", "has the same value"; "one value twice")]
#[test_case("exact: shop/checkout/v2", "exact: shop/checkout/v2;mirror=v1", Severity::Error, "routes[1].route.request_mirror_policies", "must be marked"; "copies without a mark")]
#[test_case("match: {prefix: /}\n                          route: {cluster: checkout-v1}", "match: {prefix: /static}\n                          route: {cluster: checkout-v1}", Severity::Error, "virtual_hosts[0].routes", "no default route"; "no default route")]
#[test_case("match: {prefix: /}\n                          route: {cluster: checkout-v1}", "match: {prefix: /}\n                          route: {weighted_clusters: {clusters: []}}", Severity::Warning, "routes[2].route.weighted_clusters", "rolls the dice"; "dice in the default route")]
#[test_case("match: {prefix: /}\n                          route: {cluster: checkout-v1}", "match: {prefix: /}\n                          route: {cluster_header: x-shunt-route}", Severity::Error, "routes[2].route.cluster_header", "503"; "a cluster by header")]
#[test_case("route: {cluster: checkout-v2}", "route: {cluster: checkout-v9}", Severity::Error, "routes[1].route.cluster", "no cluster checkout-v9"; "a route to nowhere")]
#[test_case("- name: shunt-shop-checkout-v1\n", "- {name: all, match: {prefix: /}, route: {cluster: checkout-v1}}\n                        - name: shunt-shop-checkout-v1\n", Severity::Error, "routes[0]", "move it behind them"; "a route that takes everything first")]
#[test_case("- name: shunt-shop-checkout-v1\n", "- {name: static, match: {prefix: /static}, route: {cluster: checkout-v1}}\n                        - name: shunt-shop-checkout-v1\n", Severity::Warning, "routes[0]", "takes its requests from all versions"; "a route that takes some first")]
#[test_case("http2_protocol_options: {connection_keepalive: {interval: 10s, timeout: 5s}}", "http_protocol_options: {}", Severity::Error, "HttpProtocolOptions\"]", "gRPC needs HTTP/2"; "HTTP/1 to the control plane")]
#[test_case("    - name: shunt-api\n", "    - name: shunt-reports\n", Severity::Error, "static_resources.clusters", "the filter cannot report"; "no cluster for reports")]
fn one_wrong_thing(right: &str, wrong: &str, severity: Severity, path: &str, message: &str) {
    assert!(OWN_ROUTES.contains(right), "the shipped file no longer has {right:?}");
    let found = findings(&OWN_ROUTES.replacen(right, wrong, 1));
    let [(how, place, words)] = found.as_slice() else { panic!("{found:#?}") };
    assert!(*how == severity && place.ends_with(path) && words.contains(message), "{found:#?}");
}

#[test]
fn the_filter_has_its_place() {
    let (router, filter) = (
        OWN_ROUTES.find("                  - name: envoy.filters.http.router").unwrap(),
        OWN_ROUTES.find("                  # [3]").unwrap(),
    );
    let end = OWN_ROUTES.find("                route_config:").unwrap();
    let with = |filters: &str| findings(&format!("{}{filters}{}", &OWN_ROUTES[..filter], &OWN_ROUTES[end..]));
    let (filter, router) = (&OWN_ROUTES[filter..router], &OWN_ROUTES[router..end]);
    let behind = with(&format!("{router}{filter}"));
    assert!(
        behind.len() == 1 && behind[0].2.contains("after the router") && behind[0].1 == format!("{HCM}.http_filters[1]"),
        "{behind:#?}"
    );
    let twice = with(&format!("{filter}{filter}{router}"));
    assert!(twice.len() == 1 && twice[0].2.contains("a second filter"), "{twice:#?}");
    let alone = with(filter);
    assert!(alone.len() == 1 && alone[0].2.contains("there is no router"), "{alone:#?}");
    let without = with(router);
    assert!(without.len() == 1 && without[0].2.contains("no listener has Shunt's filter"), "{without:#?}");
}

/// The filter with its policy written out.
fn inline(plugin: &str) -> Vec<(Severity, String, String)> {
    let from = STATIC.find("                    config_discovery:").unwrap();
    let to = STATIC.find("                  - name: envoy.filters.http.router").unwrap();
    let config = format!(
        "                    typed_config:\n                      \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n                      config: {plugin}\n"
    );
    findings(&format!("{}{config}{}", &STATIC[..from], &STATIC[to..]))
}

const POLICY: &str = r#"{"format":1,"services":[{"name":"shop/checkout","hosts":["shop.test"],"stable":"v1","defaultRoute":"v1","versions":[{"name":"v1","clusters":["checkout-v1"]},{"name":"v2","clusters":["checkout-v2"]}]}]}"#;

fn plugin(policy: &str) -> String {
    let text = serde_json::Value::from(policy);
    format!(
        "{{name: shunt, root_id: shunt, failure_policy: FAIL_OPEN, vm_config: {{code: {{local: {{filename: /a.wasm}}}}}}, configuration: {{\"@type\": type.googleapis.com/google.protobuf.StringValue, value: {text}}}}}"
    )
}

#[test_case("", "", ""; "as it should be")]
#[test_case("failure_policy: FAIL_OPEN", "failure_policy: FAIL_CLOSED", "write FAIL_OPEN"; "closed when it fails")]
#[test_case("local: {filename: /a.wasm}", "remote: {}", "fetched while requests come"; "a remote module")]
#[test_case("google.protobuf.StringValue", "google.protobuf.Struct", "arrives unreadable"; "a struct")]
#[test_case("\\\"stable\\\":\\\"v1\\\"", "\\\"stable\\\":\\\"v9\\\"", "the filter would refuse the policy: services[0].stable"; "a policy that does not compile")]
#[test_case("\\\"format\\\":1", "\\\"format\\\":", "cannot be read"; "a policy that is no JSON")]
#[test_case("checkout-v2", "checkout-v3", "expects answers from the cluster checkout-v3"; "a cluster of the policy")]
#[test_case("{\\\"name\\\":\\\"v2\\\"", "{\\\"name\\\":\\\"v3\\\"", "shop/checkout/v3 is decided, but no route matches"; "a version without a route")]
fn a_policy_in_the_bootstrap(right: &str, wrong: &str, message: &str) {
    let whole = plugin(POLICY);
    assert!(whole.contains(right), "{whole}");
    let found = inline(&whole.replacen(right, wrong, 1));
    match message {
        "" => assert_eq!(found, []),
        message => assert_eq!(found.iter().filter(|finding| finding.2.contains(message)).count(), 1, "{found:#?}"),
    }
}

#[test]
fn a_managed_proxy() {
    let bootstrap = shunt_xds_bootstrap();
    assert_eq!(findings(&bootstrap), []);
    for (right, wrong, path) in [
        ("\"listen\": \"127.0.0.1:10000\"", "\"listen\": \"10000\"", "node.metadata.shunt.listen"),
        ("\"ads_config\"", "\"no_config\"", "dynamic_resources.ads_config"),
        ("\"lds_config\"", "\"no_config\"", "dynamic_resources.lds_config"),
        ("\"name\": \"shunt-api\"", "\"name\": \"api\"", "static_resources.clusters"),
    ] {
        assert!(bootstrap.contains(right), "{bootstrap}");
        let found = findings(&bootstrap.replacen(right, wrong, 1));
        assert!(found.len() == 1 && found[0].1 == path, "{found:#?}");
    }
}

/// What `shunt envoy-bootstrap` prints.
fn shunt_xds_bootstrap() -> String {
    shunt_xds::bootstrap::bootstrap(&shunt_xds::bootstrap::Bootstrap {
        node: "edge-1".to_owned(),
        listen: "127.0.0.1:10000".parse().unwrap(),
        admin: "127.0.0.1:9901".parse().unwrap(),
        xds: "127.0.0.1:18000".to_owned(),
        api: "127.0.0.1:18080".to_owned(),
        module: None,
        state_of_the_world: false,
        tls: None,
    })
}

const CHECKOUT: &str = include_str!("../../../../../envoy/own-routes/checkout.yaml");

/// The routes of the shipped file for this Rollout, one thing edited.
fn for_checkout(right: &str, wrong: &str) -> Vec<(Severity, String, String)> {
    let edited = format!("{CHECKOUT}{OWN_ROUTES}").contains(right);
    assert!(edited, "the shipped files no longer have {right:?}");
    let documents = shunt_spec::manifest::parse("checkout.yaml", &CHECKOUT.replacen(right, wrong, 1)).unwrap();
    let plans: Vec<_> = documents.iter().map(|document| document.compile(&shunt_spec::Context::default()).unwrap()).collect();
    let found = check(&OWN_ROUTES.replacen(right, wrong, 1), &plans).unwrap();
    found.into_iter().map(|finding| (finding.severity, finding.path, finding.message)).collect()
}

#[test_case("{exact: shop/checkout/v2}", "{exact: shop/checkout/v3}", "virtual_hosts", "shop/checkout/v2 is decided, but no route"; "no route of a version")]
#[test_case("exact: shop/checkout/v2}}]\n                          route: {cluster: checkout-v2}", "exact: shop/checkout/v2}}]\n                          route: {cluster: checkout-v1}", "routes[1].route.cluster", "go to checkout-v1, but that version is the cluster checkout-v2"; "a route to another version")]
#[test_case("match: {prefix: /}\n                          route: {cluster: checkout-v1}", "match: {prefix: /}\n                          route: {cluster: checkout-v2}", "routes[2].route.cluster", "which are shop/checkout/v1 by default"; "a default route to another version")]
#[test_case("metadata: {name: checkout,", "metadata: {name: till,", "virtual_hosts", "shop/till/v2 is decided"; "another Rollout")]
fn a_rollout_beside_the_bootstrap(right: &str, wrong: &str, path: &str, message: &str) {
    let found = for_checkout(right, wrong);
    assert!(
        found.iter().any(|(how, place, words)| *how == Severity::Error && place.ends_with(path) && words.contains(message)),
        "{found:#?}"
    );
}

#[test]
fn the_shipped_rollout_and_bootstrap_fit() {
    assert_eq!(for_checkout("release: v1", "release: v1"), []);
}

#[test]
fn other_files_are_refused() {
    for text in ["a: [", "{\"a\": 1", "kind: Rollout", "[1, 2]"] {
        assert!(check(text, &[]).is_err(), "{text}");
    }
}
