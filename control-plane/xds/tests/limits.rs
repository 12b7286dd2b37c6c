//! Whatever a manifest says, if it is accepted: every duration and number that it becomes is one that Envoy takes.

use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::google::protobuf::Duration;
use proptest::prelude::*;
use prost::Message;
use shunt_core::{State, desired};
use shunt_spec::Context;
use shunt_spec::manifest::parse;
use shunt_xds::resource::Kind;
use shunt_xds::{NodeInfo, ProxyConfig, Snapshot, render};

/// Envoy counts durations in nanoseconds, in 64 bits with a sign: so many whole seconds.
const SECONDS_MAX: i64 = i64::MAX / 1_000_000_000;

/// The one duration whose zero has a meaning: never.
const IDLE: &str = "idle_timeout";

/// Numbers of all sizes, small ones as often as huge ones.
fn number() -> impl Strategy<Value = u64> {
    (0_u32..64, any::<u64>()).prop_map(|(shift, number)| number >> shift)
}

fn span() -> impl Strategy<Value = String> {
    (number(), prop::sample::select(vec!["ms", "s", "m", "h", "d"])).prop_map(|(number, unit)| format!("{number}{unit}"))
}

fn rendered(manifest: &str) -> Option<Snapshot> {
    let document = parse("shop.yaml", manifest).ok()?.into_iter().next()?;
    let plan = document.compile(&Context::default()).ok()?;
    let routes = desired(&plan, &State::initial(&plan)).routes.into_iter().collect();
    let config = ProxyConfig { routes, policy: String::new(), module: Arc::from([0_u8].as_slice()) };
    let node = NodeInfo { id: "edge-1".to_owned(), listen: "127.0.0.1:80".parse().ok(), module: None };
    Some(render(&config, &node).expect("a consistent snapshot"))
}

fn messages<M: Message + Default>(snapshot: &Snapshot, kind: Kind) -> Vec<M> {
    snapshot.of(kind).map(|resource| M::decode(resource.body.value.as_slice()).expect("its own type")).collect()
}

/// Every duration that a manifest has a say in, with where it stands.
fn durations(snapshot: &Snapshot) -> Vec<(String, Duration)> {
    let mut found = Vec::new();
    for cluster in messages::<Cluster>(snapshot, Kind::Cluster) {
        found.push((format!("{} connect_timeout", cluster.name), cluster.connect_timeout));
        for check in cluster.health_checks {
            found.push((format!("{} timeout", cluster.name), check.timeout));
            found.push((format!("{} interval", cluster.name), check.interval));
            found.push((format!("{} no_traffic_interval", cluster.name), check.no_traffic_interval));
        }
    }
    for routes in messages::<RouteConfiguration>(snapshot, Kind::Routes) {
        for route in routes.virtual_hosts.into_iter().flat_map(|host| host.routes) {
            if let Some(Action::Route(action)) = route.action {
                let longest = action.max_stream_duration.and_then(|limit| limit.max_stream_duration);
                found.push((format!("{} timeout", route.name), action.timeout));
                found.push((format!("{} {IDLE}", route.name), action.idle_timeout));
                found.push((format!("{} max_stream_duration", route.name), longest));
            }
        }
    }
    found.into_iter().filter_map(|(at, duration)| Some((at, duration?))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_accepted_has_durations_that_envoy_takes(
        interval in prop::option::of(span()),
        check in prop::option::of(span()),
        timeout in prop::option::of(span()),
        idle in prop::option::of(span()),
        stream in prop::option::of(span()),
        unhealthy in prop::option::of(number()),
        healthy in prop::option::of(number()),
    ) {
        let fields = [
            interval.map(|span| format!(", interval: {span}")),
            check.map(|span| format!(", timeout: {span}")),
            unhealthy.map(|number| format!(", unhealthyThreshold: {number}")),
            healthy.map(|number| format!(", healthyThreshold: {number}")),
        ];
        let fields: String = fields.into_iter().flatten().collect();
        let timeout = timeout.map(|span| format!("\n  timeout: {span}")).unwrap_or_default();
        let timeouts = [idle.map(|span| format!("idle: {span}")), stream.map(|span| format!("stream: {span}"))];
        let timeouts: Vec<String> = timeouts.into_iter().flatten().collect();
        let timeouts = if timeouts.is_empty() { String::new() } else { format!(", timeouts: {{{}}}", timeouts.join(", ")) };
        let manifest = format!(
            "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: checkout, namespace: shop}}\nspec:\n  \
             service: {{hosts: [shop.test]{timeouts}}}\n  \
             versions: [{{name: v1, endpoints: ['127.0.0.1:9001']}}]\n  release: v1\n  \
             health: {{path: /{fields}}}{timeout}\n"
        );
        let Some(snapshot) = rendered(&manifest) else { return Ok(()) };
        for (at, duration) in durations(&snapshot) {
            let inside = (0..SECONDS_MAX).contains(&duration.seconds) && (0..1_000_000_000).contains(&duration.nanos);
            let some = (duration.seconds, duration.nanos) > (0, 0) || at.ends_with(IDLE);
            prop_assert!(inside && some, "{at}: {duration:?}");
        }
        for cluster in messages::<Cluster>(&snapshot, Kind::Cluster) {
            for check in cluster.health_checks {
                let thresholds = [check.unhealthy_threshold, check.healthy_threshold].map(|value| value.map_or(0, |value| value.value));
                prop_assert!(thresholds.iter().all(|threshold| (1..=100).contains(threshold)), "{thresholds:?}");
            }
        }
    }
}

#[test]
fn a_manifest_of_this_form_is_accepted_and_has_all_of_them() {
    let snapshot = rendered(
        "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {name: checkout, namespace: shop}\nspec:\n  \
         service: {hosts: [shop.test], timeouts: {idle: 0s, stream: 2h}}\n  versions: [{name: v1, endpoints: ['127.0.0.1:9001']}]\n  release: v1\n  \
         timeout: 30d\n  health: {path: /, interval: 1h, timeout: 1h, unhealthyThreshold: 100, healthyThreshold: 1}\n",
    );
    let found = durations(&snapshot.expect("accepted"));
    assert!(found.iter().any(|(at, duration)| at.ends_with(" interval") && duration.seconds == 3_600), "{found:?}");
    assert!(found.iter().any(|(_, duration)| duration.seconds == 30 * 86_400), "{found:?}");
    assert!(found.iter().any(|(at, duration)| at.ends_with(IDLE) && duration.seconds == 0), "{found:?}");
    assert!(found.iter().any(|(at, duration)| at.ends_with(" max_stream_duration") && duration.seconds == 7_200), "{found:?}");
}
