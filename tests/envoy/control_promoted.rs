//! The filter goes away right after a promotion: the default route already names the new version.

use anyhow::Result;
use hyper::Method;
use shunt_testbed::until::until;
use shunt_testbed::{Client, ControlPlane, Load, LocalShop, Scenario, locate};

use crate::control_rig::{CANARY, FILE, ROLLOUT, RUN, STEP, manifest, proxy};

#[tokio::test]
async fn without_the_filter_right_after_each_promotion_no_user_notices() -> Result<()> {
    let story = Scenario::new("the filter is switched off right after each promotion");
    let shops = [LocalShop::start("v1").await?, LocalShop::start("v2").await?, LocalShop::start("v3").await?];
    let text = |release: &str| manifest("checkout", "shop.test", &shops, release, CANARY);
    let module = locate::panicking_filter()?;
    let control = ControlPlane::start_with(&[(FILE, &text("v1"))], &["--filter", &module.display().to_string()]).await?;
    let (envoy, address) = proxy(&control, "edge-1").await?;
    let mut control = control;
    for version in ["v2", "v3"] {
        story.when(format!("{version} is released under load and promoted"));
        let load = Load::new(address).users(1000).rate(200.0).start();
        control.write(FILE, &text(version))?;
        let promoted = |view: &serde_json::Value| view["phase"] == "Healthy" && view["stable"] == version;
        control.until_rollout("the promotion", ROLLOUT, RUN, promoted).await?;
        let tally = load.stop().await;
        assert_eq!(tally.failed(), 0, "{}", tally.summary());

        story.when("the control plane dies, so that no push heals, and every VM of the filter panics");
        control.kill();
        let client = Client::new(address).host("shop.test");
        until("no VM is left to panic", STEP, || async {
            let mut alive = false;
            for _ in 0..16 {
                let reply = client.request(Method::GET, "/").header("x-test-panic", "1").send().await;
                alive |= reply.is_ok_and(|reply| reply.status == 503);
            }
            !alive
        })
        .await?;
        story.then(format!("the default route answers everybody with {version}"));
        let tally = Load::new(address).users(1000).rate(400.0).run(800).await;
        assert_eq!(tally.failed(), 0, "{}", tally.summary());
        assert_eq!(tally.of_version(version), tally.requests(), "{}", tally.summary());
        control.restart().await?;
    }
    drop(envoy);
    Ok(())
}
