//! Mutual TLS between the control plane and a real Envoy; tokens for everybody else.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use shunt_testbed::envoy::listen_address;
use shunt_testbed::{ControlPlane, Envoy, EnvoyOptions, Load, LocalShop, Scenario, locate, until};

use crate::control_rig::{FILE, ROLLOUT, STEP, manifest};

/// Runs `shunt certs`.
pub(crate) async fn certs(args: &[&str], folder: &Path) -> Result<()> {
    let mut command = tokio::process::Command::new(locate::shunt()?);
    let authority = folder.join("authority");
    let output = command.arg("certs").args(args).arg("--dir").arg(folder).arg("--authority").arg(authority).output().await?;
    ensure!(output.status.success(), "shunt certs {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// What a command line prints as JSON.
async fn json(control: &ControlPlane, args: &[&str]) -> Result<Value> {
    let text = control.cli_ok(args).await?;
    serde_json::from_str(&text).with_context(|| text)
}

/// Whether this proxy runs the newest policy, by its own reports.
async fn reports(control: &ControlPlane, node: &str, token: &str) -> bool {
    let list = json(control, &["--token", token, "proxies", "-o", "json"]).await.unwrap_or_default();
    let all = list["proxies"].as_array().cloned().unwrap_or_default();
    all.iter().any(|proxy| proxy["node"] == node && proxy["generation"] == list["generation"] && proxy["silent"] == false)
}

#[tokio::test]
async fn an_envoy_with_its_own_certificate_is_served_and_another_is_refused() -> Result<()> {
    let story = Scenario::new("mutual TLS");
    let folder = tempfile::tempdir()?;
    let dir = folder.path().to_string_lossy().into_owned();
    certs(&["init"], folder.path()).await?;
    certs(&["proxy", "edge-1"], folder.path()).await?;
    certs(&["proxy", "edge-2"], folder.path()).await?;
    let shops = vec![LocalShop::start("v1").await?];
    let mut control = ControlPlane::start_with(&[(FILE, &manifest("checkout", "shop.test", &shops, "v1", ""))], &["--tls", &dir]).await?;
    story.given("a control plane with certificates of its own authority");

    let listen = listen_address();
    let bootstrap = control.bootstrap("edge-1", &["--listen", &listen.to_string(), "--tls", &dir]).await?;
    let envoy = Envoy::start(&bootstrap, EnvoyOptions::default()).await?;
    let address = envoy.listener("shunt").await?;
    let load = Load::new(address).users(50).rate(100.0).start();
    until("it is served", STEP, || async { load.tally().of_version("v1") > 100 }).await?;
    until("its reports arrive", STEP, || reports(&control, "edge-1", "none yet")).await?;
    story.then("an Envoy with its own certificate is served, and its reports arrive");

    // The other's name with the first one's certificate.
    let stolen = control.bootstrap("edge-2", &["--listen", &listen_address().to_string(), "--tls", &dir]).await?;
    let stolen = stolen.replace("/proxies/edge-2/", "/proxies/edge-1/");
    let thief = Envoy::launch(&stolen, EnvoyOptions::default()).await?;
    until("it is refused", STEP, || async { control.log().contains("not edge-2") }).await?;
    let known = control.cli_ok(&["proxies"]).await?;
    assert!(!known.contains("edge-2"), "{known}");
    assert!(thief.stats("listener_manager.lds.update_success").await?.values().all(|count| *count == 0), "it was given a listener");
    drop(thief);
    story.then("an Envoy with another's certificate is refused");

    let clear = control.get("/healthz").await;
    assert!(clear.is_err() || clear.is_ok_and(|reply| reply.status != 200), "clear text is answered");

    let root = control.cli_ok(&["token", "create", "--name", "root", "--role", "admin"]).await?.trim().to_owned();
    let refused = control.cli(&["get"]).await?;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("needs a token"), "{refused:?}");
    assert!(control.cli_ok(&["--token", &root, "get"]).await?.contains(ROLLOUT));
    story.then("people need a token from then on");

    certs(&["init"], folder.path()).await?;
    certs(&["proxy", "edge-1"], folder.path()).await?;
    until("new certificates are read", STEP, || async { control.log().contains("certificates were read again") }).await?;
    control.stop().await?;
    control.restart().await?;
    story.when("all certificates are renewed, and the control plane comes back");
    until("the proxy connects and reports as before", STEP, || reports(&control, "edge-1", &root)).await?;
    let audit = control.cli_ok(&["--token", &root, "token", "list"]).await?;
    assert!(audit.contains("root"), "{audit}");
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    tokio::time::timeout(Duration::from_secs(20), control.stop()).await??;
    Ok(())
}

#[tokio::test]
async fn outside_of_this_machine_only_with_tls() -> Result<()> {
    for flag in ["--api-listen", "--xds-listen"] {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("config");
        std::fs::create_dir(&config)?;
        let mut command = tokio::process::Command::new(locate::shunt()?);
        let command = command.arg("serve").arg("--config").arg(&config).args([flag, "0.0.0.0:0"]).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(30), command.output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("needs TLS"), "{said}");
    }
    Ok(())
}
