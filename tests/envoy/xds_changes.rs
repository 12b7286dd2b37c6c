//! Endpoints and versions come and go under load, in both variants of xDS: no request notices.

use anyhow::Result;
use hyper::Method;
use shunt_testbed::{Envoy, Load, LocalShop, Scenario, until};

use crate::xds_rig::{HALF, Rig, SOON, Variant, live, manifest};

const TESTERS: &str = "rules: [{name: testers, match: [{headers: {x-tester: {exact: '1'}}}], version: v3}]";

#[tokio::test]
async fn envoy_accepts_the_bootstrap() -> Result<()> {
    let shop = LocalShop::start("v1").await?;
    for variant in [Variant::Delta, Variant::StateOfTheWorld] {
        let rig = Rig::start(variant, &manifest(&[("v1", &[shop.address()])], "v1", HALF)).await?;
        Envoy::validate(&rig.bootstrap).await?;
        let asked = if variant == Variant::Delta { "\"DELTA_GRPC\"" } else { "\"GRPC\"" };
        assert!(rig.bootstrap.contains(asked), "{}", rig.bootstrap);
        assert_eq!(rig.client().get("/").await?.version().as_deref(), Some("v1"));
    }
    Ok(())
}

#[tokio::test]
async fn endpoints_change_under_load_by_delta() -> Result<()> {
    endpoints_change_under_load(Variant::Delta).await
}

#[tokio::test]
async fn endpoints_change_under_load_by_state_of_the_world() -> Result<()> {
    endpoints_change_under_load(Variant::StateOfTheWorld).await
}

async fn endpoints_change_under_load(variant: Variant) -> Result<()> {
    let story = Scenario::new(format!("endpoints of a version change under load, {variant:?}"));
    let (mut first, second) = (LocalShop::start("v1").await?, LocalShop::start("v1").await?);
    let (a, b) = (first.address(), second.address());
    let rig = Rig::start(variant, &manifest(&[("v1", &[a])], "v1", HALF)).await?;
    let load = Load::new(rig.address).rate(200.0).start();
    let writes = Load::new(rig.address).ask(Method::POST, "/").body("something").rate(50.0).start();

    story.when("the version gets a second instance");
    rig.write(&manifest(&[("v1", &[a, b])], "v1", HALF))?;
    until("the second instance gets requests", SOON, || async { second.counts().total > 20 }).await?;
    story.when("the first one leaves the manifest, and stops as soon as it has left Envoy");
    rig.write(&manifest(&[("v1", &[b])], "v1", HALF))?;
    rig.until_hosts("shunt/shop/checkout/v1", &[b]).await?;
    first.stop().await;
    let mark = load.mark();
    until("many more have been answered", SOON, || async { load.mark() > mark + 200 }).await?;
    rig.until("all is proved", live).await?;
    story.then("no request failed");
    for tally in [load.stop().await, writes.stop().await] {
        assert_eq!((tally.failed(), tally.requests() > 50), (0, true), "{}", tally.summary());
    }
    Ok(())
}

#[tokio::test]
async fn a_version_comes_and_goes_under_load_by_delta() -> Result<()> {
    a_version_comes_and_goes_under_load(Variant::Delta).await
}

#[tokio::test]
async fn a_version_comes_and_goes_under_load_by_state_of_the_world() -> Result<()> {
    a_version_comes_and_goes_under_load(Variant::StateOfTheWorld).await
}

async fn a_version_comes_and_goes_under_load(variant: Variant) -> Result<()> {
    let story = Scenario::new(format!("a version comes and goes under load, {variant:?}"));
    let (v1, mut v3) = (LocalShop::start("v1").await?, LocalShop::start("v3").await?);
    let alone = manifest(&[("v1", &[v1.address()])], "v1", HALF);
    let rig = Rig::start(variant, &alone).await?;
    let load = Load::new(rig.address).rate(200.0).start();
    let testers = Load::new(rig.address).header("x-tester", "1").rate(100.0).start();
    let clusters = rig.clusters().await?;

    story.when("a version is added, with a rule for testers");
    rig.write(&manifest(&[("v1", &[v1.address()]), ("v3", &[v3.address()])], "v1", &format!("{TESTERS}\n  {HALF}")))?;
    until("testers get it", SOON, || async { testers.tally().of_version("v3") > 50 }).await?;
    assert!(rig.clusters().await?.contains("shunt/shop/checkout/v3"));

    story.when("it leaves the manifest");
    rig.write(&alone)?;
    let gone = || async { rig.clusters().await.is_ok_and(|now| now == clusters) };
    until("its clusters are gone", SOON, gone).await?;
    v3.stop().await;
    let mark = testers.mark();
    until("testers go on", SOON, || async { testers.mark() > mark + 100 }).await?;
    story.then("no request failed, and testers are back on v1");
    assert_eq!(testers.tally_since(mark).of_version("v3"), 0);
    for tally in [load.stop().await, testers.stop().await] {
        assert_eq!(tally.failed(), 0, "{}", tally.summary());
    }
    Ok(())
}
