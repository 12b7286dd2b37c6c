//! The files of `istio/` in a vanilla Envoy: the plugin's own configuration, with the routes and clusters that istiod makes of the
//! VirtualService, and the gateway's header strip.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use shunt_testbed::client::Client;
use shunt_testbed::envoy::{Envoy, EnvoyOptions};
use shunt_testbed::{LocalShop, Scenario, locate, until};

use super::{at, documents, read};

const HOST: &str = "checkout.shop.svc.cluster.local";

/// istiod's name of a destination's cluster.
fn cluster(destination: &Value) -> String {
    format!("outbound|{}||{}", at(destination, "/port/number"), at(destination, "/host").as_str().unwrap_or_default())
}

/// The delegate's routes, as istiod emits them.
fn routes() -> Vec<Value> {
    let delegate = documents(&read("istio/virtual-service.yaml")).remove(1);
    let routes = at(&delegate, "/spec/http").as_array().cloned().unwrap_or_default();
    routes.iter().map(route).collect()
}

fn route(route: &Value) -> Value {
    let mut matching = json!({"prefix": "/"});
    if let Some(exact) = route.pointer("/match/0/headers/x-shunt-route/exact") {
        matching["headers"] = json!([{"name": "x-shunt-route", "string_match": {"exact": exact}}]);
    }
    let mut action = json!({"cluster": cluster(at(route, "/route/0/destination"))});
    if let Some(mirror) = route.pointer("/mirrors/0/destination") {
        action["request_mirror_policies"] = json!([{"cluster": cluster(mirror), "disable_shadow_host_suffix_append": true}]);
    }
    json!({"name": route["name"], "match": matching, "route": action})
}

fn bootstrap(plugin: &Value, upstreams: &[(&str, std::net::SocketAddr)], namespace: &str) -> Result<String> {
    let strip = documents(&read("istio/edge-strip.yaml")).remove(0);
    let mut manager = at(&strip, "/spec/configPatches/0/patch/value/typed_config").clone();
    let wasm = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": "shunt", "root_id": "shunt", "failure_policy": "FAIL_OPEN",
            "vm_config": {"vm_id": "shunt", "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": locate::filter()?}}},
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": at(plugin, "/spec/pluginConfig").to_string()},
        },
    });
    manager["stat_prefix"] = "gateway".into();
    manager["http_filters"] = json!([
        {"name": "shunt", "typed_config": wasm},
        {"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}},
    ]);
    manager["route_config"] = json!({"virtual_hosts": [{"name": HOST, "domains": ["*"], "routes": routes()}]});
    let clusters: Vec<Value> = upstreams
        .iter()
        .map(|(version, address)| {
            let name = format!("outbound|80||checkout-{version}.shop.svc.cluster.local");
            let socket = json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}});
            json!({"name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket}}]}]}})
        })
        .collect();
    let bootstrap = json!({
        "node": {"id": "sidecar~127.0.0.1~caller.shop~shop.svc.cluster.local", "cluster": "caller", "metadata": {"NAMESPACE": namespace}},
        "static_resources": {
            "listeners": [{
                "name": "outbound", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
            }],
            "clusters": clusters,
        },
    });
    Ok(bootstrap.to_string())
}

async fn answer(client: &Client, headers: &[(&str, &str)]) -> Result<Option<String>> {
    let ask = client.request(hyper::Method::GET, "/");
    let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
    Ok(ask.send().await?.version())
}

#[tokio::test]
async fn a_mesh_with_a_fixed_policy() -> Result<()> {
    let story = Scenario::new("the files of istio/ in a vanilla Envoy");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let upstreams = [("v1", v1.address()), ("v2", v2.address())];
    for file in ["plugin-mesh.yaml", "plugin-namespace.yaml"] {
        let plugin = documents(&read(&format!("istio/{file}"))).remove(0);
        story.given(format!("{file} at a caller in the namespace shop"));
        let envoy = Envoy::start(&bootstrap(&plugin, &upstreams, "shop")?, EnvoyOptions::default()).await?;
        let listener = envoy.listener("outbound").await?;
        for host in [HOST, "checkout.shop.svc", "checkout.shop", "checkout", "CHECKOUT.shop:80"] {
            let client = Client::new(listener).host(host);
            story.then(format!("testers of {host} get v2, a user outside the 5 % gets v1"));
            assert_eq!(answer(&client, &[("cookie", "a=b; beta=1")]).await?.as_deref(), Some("v2"), "{host}");
            assert_eq!(answer(&client, &[("cookie", "shunt-id=user-1")]).await?.as_deref(), Some("v1"), "{host}");
        }
        story.then("a client's own x-shunt-route counts for nothing");
        let smuggled = [("x-shunt-route", "shop/checkout/v2"), ("cookie", "shunt-id=user-1")];
        assert_eq!(answer(&Client::new(listener).host(HOST), &smuggled).await?.as_deref(), Some("v1"));
        story.then("about 5 % of users get v2, each always the same");
        let share = share(&Client::new(listener).host(HOST)).await?;
        assert!((60..=140).contains(&share), "{share} of 2,000 users got v2");
    }
    story.given("a caller in another namespace");
    let plugin = documents(&read("istio/plugin-mesh.yaml")).remove(0);
    let envoy = Envoy::start(&bootstrap(&plugin, &upstreams, "other")?, EnvoyOptions::default()).await?;
    let client = Client::new(envoy.listener("outbound").await?).host("checkout");
    story.then("the short name means nothing to it");
    assert_eq!(answer(&client, &[("cookie", "beta=1")]).await?.as_deref(), Some("v1"));
    Ok(())
}

/// How many of 2,000 users get v2; each is asked twice.
async fn share(client: &Client) -> Result<u32> {
    let mut share = 0;
    for user in 0..2_000 {
        let cookie = format!("shunt-id=user-{user}");
        let first = answer(client, &[("cookie", &cookie)]).await?;
        if user % 20 == 0 {
            assert_eq!(answer(client, &[("cookie", &cookie)]).await?, first, "user-{user} changes version");
        }
        share += u32::from(first.as_deref() == Some("v2"));
    }
    Ok(share)
}

#[tokio::test]
async fn a_mirror_of_the_delegate() -> Result<()> {
    let story = Scenario::new("the delegate's mirror route copies to v2");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let mut plugin = documents(&read("istio/plugin-mesh.yaml")).remove(0);
    story.given("a policy that mirrors everything that v1 answers to v2");
    let service = plugin.pointer_mut("/spec/pluginConfig/services/0").expect("a service");
    service["split"] = json!({});
    service["mirror"] = json!({"split": {"weights": {"v2": 100}}});
    let envoy = Envoy::start(&bootstrap(&plugin, &[("v1", v1.address()), ("v2", v2.address())], "shop")?, EnvoyOptions::default()).await?;
    let client = Client::new(envoy.listener("outbound").await?).host(HOST);
    story.when("a user asks");
    assert_eq!(answer(&client, &[("cookie", "shunt-id=user-1")]).await?.as_deref(), Some("v1"));
    story.then("v2 gets the copy");
    until("v2 to get the copy", Duration::from_secs(5), || async { v2.counts().total == 1 }).await?;
    Ok(())
}
