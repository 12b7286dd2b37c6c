//! At the listener of ours a client's own `x-shunt-*` headers never count, whether the filter runs or not.

use anyhow::Result;
use hyper::Method;
use shunt_testbed::envoy::listen_address;
use shunt_testbed::{Client, Envoy, EnvoyOptions, LocalShop, Scenario, until};

use crate::xds_rig::{HALF, Rig, SOON, Variant, manifest};

#[tokio::test]
async fn a_client_cannot_choose_its_version() -> Result<()> {
    let story = Scenario::new("headers of ours from a client");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let rig = Rig::start(Variant::Delta, &manifest(&[("v1", &[v1.address()]), ("v2", &[v2.address()])], "v1", HALF)).await?;
    rig.until("v2 has a route", |view| view["versions"].as_array().is_some_and(|all| all.len() == 2)).await?;
    story.given("v2 is there, with a route, and no user should get it");
    let dump = rig.envoy.config_dump().await?.to_string();
    assert!(dump.contains("shop/checkout/v2"), "v2 has a route");
    refused_or_ignored(&rig.client(), &v1, &v2).await?;

    let listen = listen_address().to_string();
    let bootstrap = rig.control.bootstrap("edge-2", &["--listen", &listen, "--module", "/nonexistent/filter.wasm"]).await?;
    let bypassed = Envoy::launch(&bootstrap, EnvoyOptions::default()).await?;
    let client = Client::new(bypassed.listener("shunt").await?).host("shop.test");
    until("v1 answers", SOON, || async { client.get("/").await.is_ok_and(|reply| reply.version().as_deref() == Some("v1")) }).await?;
    until("the filter is refused", SOON, || async {
        bypassed.stats("extension_config_discovery.*config_fail$").await.is_ok_and(|stats| stats.values().any(|count| *count > 0))
    })
    .await?;
    story.when("the filter is bypassed, because its module is not there");
    refused_or_ignored(&client, &v1, &v2).await
}

/// Sends each header of ours, and looks at what arrived.
async fn refused_or_ignored(client: &Client, v1: &LocalShop, v2: &LocalShop) -> Result<()> {
    let smuggled = [
        ("x-shunt-route", "shop/checkout/v2"),
        ("X-Shunt-Route", "shop/checkout/v2"),
        ("x-shunt-flags", "new-cart"),
        ("x-shunt-shadow", "1"),
        ("x-shunt-anything", "1"),
    ];
    for (name, value) in smuggled {
        let reply = client.request(Method::GET, "/").header(name, value).header(name, value).send().await?;
        assert_eq!((reply.status, reply.version().as_deref()), (200, Some("v1")), "{name}");
        let seen = v1.requests().pop().expect("the request arrived");
        let ours: Vec<&str> = seen.headers.iter().map(|header| header.name.as_str()).filter(|name| name.starts_with("x-shunt-")).collect();
        assert_eq!(ours, Vec::<&str>::new(), "{name}");
    }
    let reply = client.request(Method::GET, "/").header("x_shunt_route", "shop/checkout/v2").send().await?;
    assert_eq!(reply.status, 400, "some upstreams read underscores as dashes");
    assert_eq!(v2.counts().total, 0, "no request reached v2");
    Ok(())
}
