//! A proxy refuses clusters or routes of one Rollout: that one is Rejected with the proxy's words, and all others go on.
//!
//! What manifests may say is bounded by what Envoy takes, so the control plane is asked to put a duration that Envoy refuses in the
//! place of another one (`control-plane/src/crash.rs`).

use std::net::SocketAddr;

use anyhow::Result;
use serde_json::Value;
use shunt_testbed::{Client, ControlPlane, Envoy, Load, LocalShop, Scenario, until};

use crate::control_rig::{CANARY, FILE, ROLLOUT, RUN, STEP, live, manifest, proxy_with, stable};

/// What it puts an impossible duration in the place of.
const SPOILED: (&str, &str) = ("SHUNT_SPOILED_DURATION", "4242ms");

/// Envoy's refusal of a cluster names it.
const BAD_CLUSTER: &str = "health: {path: /, interval: 4242ms}";

/// Envoy's refusal of a route names none.
const BAD_ROUTE: &str = "timeout: 4242ms";

struct Rig {
    control: ControlPlane,
    _envoy: Envoy,
    address: SocketAddr,
    shops: Vec<LocalShop>,
}

impl Rig {
    /// `shop/checkout` at shop.test and `shop/doomed` at doomed.test, in place at one Envoy.
    async fn start(bootstrap: &[&str]) -> Result<Self> {
        let shops = vec![LocalShop::start("v1").await?, LocalShop::start("v2").await?];
        let checkout = manifest("checkout", "shop.test", &shops, "v1", CANARY);
        let doomed = manifest("doomed", "doomed.test", &shops, "v1", CANARY);
        let mut control = ControlPlane::start(&[(FILE, &checkout), ("doomed.yaml", &doomed)]).await?;
        control.set_env(SPOILED.0, Some(SPOILED.1));
        control.restart().await?;
        let (envoy, address) = proxy_with(&control, "edge-1", bootstrap).await?;
        let rig = Self { control, _envoy: envoy, address, shops };
        rig.until("checkout is in place", ROLLOUT, live).await?;
        rig.until("doomed is in place", "shop/doomed", live).await?;
        Ok(rig)
    }

    /// A Rollout of this name at `<name>.test`, v1 released.
    fn write(&self, name: &str, spec: &str) -> Result<()> {
        self.control.write(&format!("{name}.yaml"), &manifest(name, &format!("{name}.test"), &self.shops, "v1", spec))
    }

    async fn until(&self, what: &str, id: &str, condition: impl Fn(&Value) -> bool) -> Result<Value> {
        self.control.until_rollout(what, id, RUN, condition).await
    }

    async fn rejected(&self, id: &str, kind: &str) -> Result<Value> {
        self.until("it is rejected", id, |view| view["phase"] == "Rejected" && view["rejected"]["kind"] == kind).await
    }

    /// The version that answers at this host; none: no route.
    async fn answer(&self, host: &str) -> Option<String> {
        Client::new(self.address).host(host).get("/").await.ok()?.header("x-version")
    }
}

async fn two_rollouts_that_envoy_refuses(bootstrap: &[&str]) -> Result<()> {
    let story = Scenario::new("two bad Rollouts at once, one whose refusal names it and one whose does not");
    let rig = Rig::start(bootstrap).await?;
    let load = Load::new(rig.address).users(200).rate(100.0).start();

    story.when("they come with a good one, while another one is deleted and a release begins");
    rig.write("cluster", BAD_CLUSTER)?;
    rig.write("route", BAD_ROUTE)?;
    rig.write("fresh", CANARY)?;
    rig.control.remove("doomed.yaml")?;
    rig.control.write(FILE, &manifest("checkout", "shop.test", &rig.shops, "v2", CANARY))?;

    story.then("both are rejected with Envoy's words");
    let cluster = rig.rejected("shop/cluster", "clusters").await?;
    let route = rig.rejected("shop/route", "routes").await?;
    for view in [&cluster, &route] {
        assert_eq!(view["rejected"]["node"], "edge-1", "{view:#}");
        let (error, message) = (view["rejected"]["error"].as_str().unwrap_or_default(), view["message"].as_str().unwrap_or_default());
        assert!(!error.is_empty() && message.contains(error) && message.starts_with("edge-1 refuses its "), "{view:#}");
    }
    // Envoy names no cluster here: that it is this one was found by leaving Rollouts out.
    assert!(cluster["rejected"]["error"].as_str().is_some_and(|error| error.contains("out-of-range")), "{cluster:#}");

    story.then("the good one answers, the deleted one is gone, the release is promoted");
    rig.until("fresh is in place", "shop/fresh", |view| view["phase"] == "Healthy" && live(view)).await?;
    assert_eq!(rig.answer("fresh.test").await.as_deref(), Some("v1"));
    rig.until("v2 is stable", ROLLOUT, |view| stable(view, "v2")).await?;
    until("nothing is left of doomed", RUN, || async {
        let gone = rig.control.rollout("shop/doomed").await.is_err();
        gone && rig.answer("doomed.test").await.is_none()
    })
    .await?;

    story.then("get, status and doctor name the two at fault, once each");
    let got = rig.control.cli_ok(&["get"]).await?;
    assert_eq!(got.matches("Rejected").count(), 2, "{got}");
    assert_eq!(rig.control.cli(&["status", "shop/route", "--wait"]).await?.status.code(), Some(3));
    let doctor = String::from_utf8_lossy(&rig.control.cli(&["doctor"]).await?.stdout).into_owned();
    for name in ["shop/cluster is rejected: edge-1 refuses its clusters", "shop/route is rejected: edge-1 refuses its routes"] {
        assert_eq!(doctor.matches(name).count(), 1, "{doctor}");
    }
    assert!(!doctor.contains("checkout") && !doctor.contains("fresh"), "{doctor}");

    story.when("their manifests are mended");
    rig.write("cluster", "health: {path: /, interval: 1s}")?;
    rig.write("route", "timeout: 5s")?;
    for name in ["cluster", "route"] {
        rig.until("it is in place", &format!("shop/{name}"), |view| view["phase"] == "Healthy" && live(view)).await?;
        until("it answers", STEP, || async { rig.answer(&format!("{name}.test")).await.as_deref() == Some("v1") }).await?;
    }
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn two_rollouts_that_envoy_refuses_by_delta() -> Result<()> {
    two_rollouts_that_envoy_refuses(&[]).await
}

#[tokio::test]
async fn two_rollouts_that_envoy_refuses_by_state_of_the_world() -> Result<()> {
    two_rollouts_that_envoy_refuses(&["--state-of-the-world"]).await
}

#[tokio::test]
async fn what_was_accepted_before_stays_in_force_also_over_a_restart() -> Result<()> {
    let story = Scenario::new("an edit that Envoy refuses");
    let mut rig = Rig::start(&[]).await?;
    let load = Load::new(rig.address).users(200).rate(100.0).start();
    let spec = format!("{CANARY}\n  {BAD_ROUTE}");

    story.when("a Rollout with users gets a time-out that Envoy refuses, and releases v2");
    rig.control.write(FILE, &manifest("checkout", "shop.test", &rig.shops, "v2", &spec))?;
    rig.rejected(ROLLOUT, "routes").await?;
    story.then("another one can be deleted, and users have what they had");
    rig.control.remove("doomed.yaml")?;
    until("doomed is gone", RUN, || async { rig.control.rollout("shop/doomed").await.is_err() }).await?;

    story.when("the control plane restarts");
    rig.control.restart().await?;
    rig.rejected(ROLLOUT, "routes").await?;
    assert_eq!(rig.answer("shop.test").await.as_deref(), Some("v1"));

    story.when("the manifest is mended");
    rig.control.write(FILE, &manifest("checkout", "shop.test", &rig.shops, "v2", CANARY))?;
    rig.until("v2 is stable", ROLLOUT, |view| stable(view, "v2")).await?;
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}
