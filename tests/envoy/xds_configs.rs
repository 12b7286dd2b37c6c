//! Configurations out of the ordinary, on a real Envoy: an empty one, none at all, hosts with ports and wildcards, clusters that warm anew.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use shunt_core::desired::Routes;
use shunt_filter_core::{Router, compile};
use shunt_spec::Span;
use shunt_spec::plan::{HealthCheck, Protocol};
use shunt_testbed::{Client, Envoy, Load, LocalShop, Scenario, until};
use shunt_xds::{Bootstrap, bootstrap};

use crate::xds_rig::{SOON, Variant};
use crate::xds_stage::{Stage, service};

/// Envoy gives up waiting for a kind of resources after 15 s. Whatever takes as long was not answered.
const AT_ONCE: Duration = Duration::from_secs(8);

const BOTH: [Variant; 2] = [Variant::Delta, Variant::StateOfTheWorld];

#[tokio::test]
async fn envoy_accepts_a_bootstrap_with_any_kind_of_address() -> Result<()> {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let sixth: SocketAddr = "[::1]:0".parse()?;
    for (listen, xds, api, module) in [
        (loopback, "127.0.0.1:18000", "127.0.0.1:18080", None),
        (sixth, "[::1]:18000", "[::1]:18080", Some("/opt/shunt \"odd\"/filter.wasm".to_owned())),
        (loopback, "localhost:18000", "control.internal:18080", None),
    ] {
        for state_of_the_world in [false, true] {
            let (node, xds, api) = ("edge: \"1\"".to_owned(), xds.to_owned(), api.to_owned());
            let of = Bootstrap { node, listen, admin: listen, xds, api, module: module.clone(), state_of_the_world, tls: None };
            Envoy::validate(&bootstrap(&of)).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_empty_configuration_makes_a_proxy_ready_at_once() -> Result<()> {
    for variant in BOTH {
        let stage = tokio::time::timeout(AT_ONCE, Stage::start(variant, Vec::new())).await??;
        let reply = Client::new(stage.address).host("shop.test").get("/").await?;
        assert_eq!(reply.status, 404, "{variant:?}: no Rollout has claimed this host");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_knows_nothing_yet_takes_nothing_away() -> Result<()> {
    for variant in BOTH {
        let story = Scenario::new(format!("the control plane is back before it knows what to publish, {variant:?}"));
        let shop = LocalShop::start("v1").await?;
        let mut stage = Stage::start(variant, vec![service("checkout", &["shop.test"], &shop)]).await?;
        let load = Load::new(stage.address).rate(200.0).start();
        let before = updates(&stage).await?;
        stage.restart_server().await?;
        story.when("Envoy has subscribed anew");
        let mark = load.mark();
        until("many requests more", SOON, || async { load.mark() > mark + 400 }).await?;
        assert_eq!(stage.node().map(|node| node.acked_sequence), Some(0));
        let sequence = stage.publish_again();
        stage.until_acknowledged(sequence).await?;
        story.then("it was sent nothing, and no request failed");
        assert_eq!(updates(&stage).await?, before);
        let all = load.stop().await;
        assert_eq!(all.failed(), 0, "{}", all.summary());
    }
    Ok(())
}

/// How often the Envoy took anything, by stat.
async fn updates(stage: &Stage) -> Result<Vec<(String, u64)>> {
    let stats = stage.envoy.stats("(cds|lds|rds\\.shunt|cluster\\.shunt/.*|extension_config_discovery\\..*)\\.update_success$");
    Ok(stats.await?.into_iter().collect())
}

#[tokio::test]
async fn hosts_mean_what_they_mean_to_the_filter() -> Result<()> {
    let (any, other) = (LocalShop::start("any").await?, LocalShop::start("other").await?);
    let (http, high) = (LocalShop::start("http").await?, LocalShop::start("high").await?);
    let only = LocalShop::start("only").await?;
    let at = |port: u16, name: &str, shop: &LocalShop| Routes { port: Some(port), ..service(name, &["shop.test"], shop) };
    let routes = vec![
        service("any", &["*.shop.test", "[::1]"], &any),
        at(80, "http", &http),
        at(8080, "high", &high),
        service("other", &["*.test"], &other),
        Routes { port: Some(8080), ..service("only", &["only.here"], &only) },
    ];
    let router = router(&routes)?;
    let stage = Stage::start(Variant::Delta, routes).await?;
    for (host, expected) in [
        ("a.shop.test", Some("any")),
        ("a.b.shop.test:1234", Some("any")),
        ("A.Shop.Test:80", Some("any")),
        ("a.shop.test.", Some("any")),
        ("a.shop.test.:8080", Some("any")),
        ("[::1]", Some("any")),
        ("[::1]:10000", Some("any")),
        ("shop.test", Some("http")),
        ("shop.test:80", Some("http")),
        ("shop.test:8080", Some("high")),
        ("SHOP.test.:8080", Some("high")),
        ("shop.test:18080", Some("other")),
        ("shop.test:443", Some("other")),
        ("b.test:8080", Some("other")),
        // Ports that no service can name: those at any port get them, in the filter and in the routes.
        ("shop.test:", Some("http")),
        ("shop.test:08080", Some("other")),
        ("shop.test:080", Some("other")),
        ("shop.test:0", Some("other")),
        ("shop.test:99999", Some("other")),
        ("shop.test:80a", Some("other")),
        ("a.shop.test:0080", Some("any")),
        ("a.shop.test:80a", Some("any")),
        ("[::1]:", Some("any")),
        ("[::1]:08080", Some("any")),
        ("a.shop.test:80:80", None),
        ("shop.test::80", None),
        ("only.here:8080", Some("only")),
        ("only.here:08080", None),
        ("only.here:80800", None),
        ("only.here:8080:8080", None),
        ("only.here", None),
        ("test", None),
        ("shop.example", None),
    ] {
        assert_eq!(stage.answer(host).await.as_deref(), expected, "{host}");
        let found = router.lookup(host).map(|service| service.name().name().to_owned());
        assert_eq!(found.as_deref(), expected, "{host}, in the filter");
    }
    Ok(())
}

/// What the filter is told of these services.
fn router(routes: &[Routes]) -> Result<Router> {
    let service = |routes: &Routes| json!({"name": routes.id, "hosts": routes.hosts, "port": routes.port, "stable": "v1", "versions": [{"name": "v1"}]});
    let services: Vec<Value> = routes.iter().map(service).collect();
    Ok(compile(serde_json::from_value(json!({"format": 1, "services": services}))?, None)?)
}

#[tokio::test]
async fn a_cluster_that_changes_warms_without_a_wait() -> Result<()> {
    for variant in BOTH {
        let shop = LocalShop::start("v1").await?;
        let plain = || service("checkout", &["shop.test"], &shop);
        let mut stage = Stage::start(variant, vec![plain()]).await?;
        let load = Load::new(stage.address).rate(200.0).start();
        let health = HealthCheck {
            path: "/ready".to_owned(),
            interval: Span::millis(200),
            timeout: Span::millis(500),
            unhealthy_threshold: 1,
            healthy_threshold: 1,
        };
        let checked = Routes { health: Some(health), ..plain() };
        let http2 = Routes { protocol: Protocol::Http2, ..checked.clone() };
        for (change, routes) in [("health checks", checked), ("HTTP/2", http2), ("neither", plain())] {
            let sequence = stage.publish(vec![routes]);
            tokio::time::timeout(AT_ONCE, stage.until_acknowledged(sequence))
                .await
                .map_err(|_| anyhow::anyhow!("{variant:?}: {change} hangs"))??;
            let reply = Client::new(stage.address).host("shop.test").get("/").await?;
            assert_eq!(reply.version().as_deref(), Some("v1"), "{change}: {reply:?}");
        }
        let all = load.stop().await;
        assert_eq!(all.failed(), 0, "{variant:?}: {}", all.summary());
    }
    Ok(())
}
