//! Versions behind DNS names, and the filter's stats with labels.

use anyhow::Result;
use shunt_testbed::{Load, LocalShop, Scenario, until};

use crate::control_rig;
use crate::xds_rig::{HALF, ROLLOUT, Rig, SOON, Variant, live};

#[tokio::test]
async fn a_version_behind_a_name_is_proved_like_any_other() -> Result<()> {
    let story = Scenario::new("endpoints are DNS names");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let of = |release: &str| {
        let text = crate::xds_rig::manifest(&[("v1", &[v1.address()]), ("v2", &[v2.address()])], release, HALF);
        text.replace("127.0.0.1", "localhost")
    };
    let rig = Rig::start(Variant::Delta, &of("v1")).await?;
    let load = Load::new(rig.address).users(500).rate(200.0).start();
    story.when("release names v2");
    rig.write(&of("v2"))?;
    let view = rig.until("the run waits at 50 %", |view| view["phase"] == "Paused" && live(view)).await?;
    assert_eq!(view["misrouted"].as_u64().unwrap_or_default(), 0, "{view:#}");

    let labelled = |text: &str| {
        let mut lines = text.lines().filter(|line| line.starts_with("shunt_requests_total{"));
        lines.any(|line| line.contains("shunt_service=\"shop/checkout\"") && line.contains("shunt_version=\"v2\""))
    };
    until("the filter's stats have labels", SOON, || async {
        rig.envoy.get("/stats/prometheus").await.is_ok_and(|reply| labelled(&reply.text()))
    })
    .await?;

    rig.control.cli_ok(&["promote", ROLLOUT]).await?;
    rig.until("v2 is stable", |view| control_rig::stable(view, "v2")).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    Ok(())
}
