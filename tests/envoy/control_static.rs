//! A bootstrap to stand on: an Envoy starts while no control plane is there, users keep their version, no request fails; then the
//! control plane takes over.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shunt_testbed::envoy::listen_address;
use shunt_testbed::{Envoy, EnvoyOptions, Load, Scenario, Tally, until};

use crate::control_instances_rig::{Farm, Version};
use crate::control_rig::{ROLLOUT, RUN, Rig};
use crate::control_tls::certs;

const USERS: usize = 300;

/// Waits for an operator at 30 %.
const SPEC: &str = "strategy: {canary: {steps: [{setWeight: 30}, {pause: {}}, {setWeight: 60}, {pause: {}}]}}
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}";

/// Envoy asks again for a control plane that went away after up to half a minute.
const BACK: Duration = Duration::from_secs(90);

fn load(address: std::net::SocketAddr) -> Load {
    Load::new(address).users(USERS).rate(300.0)
}

/// Which version each user got; one version for each.
fn homes(tally: &Tally) -> BTreeMap<usize, String> {
    assert_eq!((tally.failed(), tally.flips(0)), (0, 0), "{}", tally.summary());
    tally.journeys().into_iter().filter_map(|(user, versions)| Some((user, versions.first()?.to_string()))).collect()
}

#[tokio::test]
async fn an_envoy_starts_without_a_control_plane_and_no_user_notices() -> Result<()> {
    let story = Scenario::new("an Envoy starts from its last-known-good bootstrap");
    let mut rig = Rig::start(2, SPEC).await?;
    rig.release("v2")?;
    rig.until("the first pause", RUN, |view| view["phase"] == "Paused").await?;
    let before = homes(&load(rig.address).run(USERS * 3).await);

    story.when("it is rendered, from the control plane and from its state: the same");
    let listen = listen_address();
    let (xds, api, at) = (rig.control.xds().to_string(), rig.control.api().to_string(), listen.to_string());
    let words = ["render", "--static", "--node", "edge-1", "--listen", &at, "--xds", &xds, "--api", &api];
    let static_bootstrap = rig.control.cli_ok(&words).await?;
    let managed = rig.envoy.config_dump().await?;
    rig.control.kill();
    let data = rig.control.data().display().to_string();
    assert_eq!(rig.control.cli_ok(&[&words[..], &["--data", &data]].concat()).await?, static_bootstrap);

    story.when("no control plane is there, and an Envoy starts with that bootstrap");
    rig.envoy.kill();
    let envoy = Envoy::start(&static_bootstrap, EnvoyOptions::default()).await?;
    let address = envoy.listener("shunt").await?;
    assert_eq!(meaning(&envoy.config_dump().await?)?, meaning(&managed)?, "what Envoy made of it is what it had");
    story.then("each user has the version of before");
    assert_eq!(homes(&load(address).run(USERS * 3).await), before);

    story.when("the control plane is back");
    let running = load(address).start();
    rig.control.restart().await?;
    rig.until("the proxy is back", BACK, |view| view["policy"]["live"]["proxies"] == 1).await?;
    rig.control.cli_ok(&["promote", ROLLOUT]).await?;
    let moved = |view: &Value| view["phase"] == "Paused" && view["step"]["number"] == 4;
    rig.until("60 %", BACK, moved).await?;
    let tally = running.stop().await;
    assert_eq!(tally.failed(), 0, "{}", tally.summary());
    story.then("the next weight only adds users");
    let after = homes(&load(address).run(USERS * 3).await);
    assert!(before.iter().filter(|(_, version)| *version == "v2").all(|(user, _)| after[user] == "v2"));
    assert!(after.values().filter(|version| *version == "v2").count() > before.values().filter(|version| *version == "v2").count());
    Ok(())
}

#[tokio::test]
async fn the_file_names_instances_and_connects_with_certificates() -> Result<()> {
    let story = Scenario::new("a last-known-good bootstrap with instances of ours, over TLS");
    let folder = tempfile::tempdir()?;
    let dir = folder.path().to_string_lossy().into_owned();
    certs(&["init"], folder.path()).await?;
    certs(&["proxy", "edge-1"], folder.path()).await?;
    let mut farm = Farm::start_with(&[Version::new("v1", 2)], "", &["--tls", &dir]).await?;
    let listen = listen_address();
    let (xds, api, at) = (farm.control.xds().to_string(), farm.control.api().to_string(), listen.to_string());
    let words = ["render", "--static", "--node", "edge-1", "--listen", &at, "--xds", &xds, "--api", &api, "--tls", &dir];
    let static_bootstrap = farm.control.cli_ok(&words).await?;
    farm.control.kill();
    let data = farm.control.data().display().to_string();
    assert_eq!(farm.control.cli_ok(&[&words[..], &["--data", &data]].concat()).await?, static_bootstrap, "its state says the same");

    story.when("no control plane is there, and an Envoy starts with that bootstrap");
    farm.envoy.kill();
    let envoy = Envoy::start(&static_bootstrap, EnvoyOptions::default()).await?;
    let address = envoy.listener("shunt").await?;
    let running = load(address).start();
    until("300 requests", RUN, || async { running.tally().requests() > 300 }).await?;
    story.when("the control plane is back");
    farm.control.restart().await?;
    let reports = || async {
        let text = farm.control.cli_ok(&["proxies", "-o", "json"]).await.unwrap_or_default();
        let list: Value = serde_json::from_str(&text).unwrap_or_default();
        list["proxies"][0]["silent"] == false && list["proxies"][0]["connected"] == true
    };
    until("it connects and reports with its certificate", BACK, reports).await?;
    let tally = running.stop().await;
    assert_eq!((tally.failed(), tally.of_version("v1")), (0, tally.requests()), "{}", tally.summary());
    Ok(())
}

/// Routes and clusters as Envoy understood them, but for how endpoints come.
fn meaning(dump: &Value) -> Result<Value> {
    let (mut routes, mut clusters) = (BTreeMap::new(), BTreeMap::new());
    for config in dump["configs"].as_array().context("a dump")? {
        for list in ["static_route_configs", "dynamic_route_configs"] {
            for one in config[list].as_array().into_iter().flatten() {
                routes.insert(one["route_config"]["name"].to_string(), one["route_config"].clone());
            }
        }
        for list in ["static_clusters", "dynamic_active_clusters"] {
            for one in config[list].as_array().into_iter().flatten() {
                let mut cluster = one["cluster"].clone();
                let fields = cluster.as_object_mut().context("a cluster")?;
                for by in ["type", "eds_cluster_config", "load_assignment"] {
                    fields.remove(by);
                }
                clusters.insert(one["cluster"]["name"].to_string(), cluster);
            }
        }
    }
    anyhow::ensure!(!routes.is_empty() && clusters.len() >= 5, "{} routes, {} clusters", routes.len(), clusters.len());
    Ok(json!({"routes": routes, "clusters": clusters}))
}
