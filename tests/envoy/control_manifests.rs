//! Manifests that are wrong, that conflict, that cannot be edited.

use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use serde_json::Value;
use shunt_testbed::{Client, Scenario, until};

use crate::control_rig::{CANARY, FILE, ROLLOUT, RUN, Rig, STEP, live, manifest, stable, weight};

#[tokio::test]
async fn a_wrong_manifest_keeps_the_last_good_one_and_says_where() -> Result<()> {
    let rig = Rig::start(2, CANARY).await?;
    let load = rig.load();
    let wrong = rig.manifest("v2").replace("setWeight: 20", "setWeight: 120");
    rig.control.write(FILE, &wrong)?;
    let view = rig.until("the refusal is shown", STEP, |view| view["warnings"].as_array().is_some_and(|all| !all.is_empty())).await?;
    let warning = view["warnings"].to_string();
    let line = wrong.lines().position(|line| line.contains("120")).unwrap_or_default() + 1;
    for part in [format!("{FILE}:{line}:"), "spec.strategy.canary.steps[0].setWeight".to_owned(), "0 to 100".to_owned()] {
        assert!(warning.contains(&part), "{part:?} is not in {warning}");
    }
    assert!(stable(&view, "v1") && view["release"] == "v1", "{view:#}");
    let list: Value = rig.control.get_json("/v1/rollouts").await?;
    assert_eq!(list["problems"][0]["line"], line, "{list:#}");

    rig.release("v2")?;
    rig.until("put right, it runs", RUN, |view| stable(view, "v2") && view["warnings"].as_array().is_some_and(Vec::is_empty)).await?;
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn the_later_of_two_rollouts_on_a_host_changes_nothing() -> Result<()> {
    let story = Scenario::new("two Rollouts on one host");
    let rig = Rig::start(2, CANARY).await?;
    let load = rig.load();
    let other = manifest("another", "shop.test", &rig.shops[1..], "v1", CANARY);
    // Its name is smaller and its file comes first: only age counts.
    rig.control.write("another.yaml", &other)?;
    story.when("another Rollout names the same host");
    let conflicted =
        |view: &Value| view["message"].as_str().is_some_and(|message| message.contains("Conflicted") && message.contains(ROLLOUT));
    rig.control.until_rollout("it is conflicted", "shop/another", STEP, conflicted).await?;
    let answer = rig.control.cli(&["promote", "shop/another"]).await?;
    assert!(!answer.status.success());
    let mark = load.mark();
    until("200 more requests", STEP, || async { load.tally_since(mark).requests() >= 200 }).await?;
    let all = load.stop().await;
    assert_eq!((all.of_version("v2"), all.failed()), (0, 0), "{}", all.summary());

    rig.control.remove(FILE)?;
    story.when("the older one goes");
    let first = |view: &Value| live(view) && !conflicted(view);
    rig.control.until_rollout("the later one has the host", "shop/another", RUN, first).await?;
    let reply = Client::new(rig.address).host("shop.test").get("/").await?;
    assert_eq!(reply.header("x-version").as_deref(), Some("v2"), "its v1 is the shop that calls itself v2");
    Ok(())
}

#[tokio::test]
async fn an_older_rollout_cannot_take_a_host_that_is_in_use() -> Result<()> {
    let rig = Rig::start(2, CANARY).await?;
    rig.control.write("other.yaml", &manifest("other", "other.test", &rig.shops[1..], "v1", CANARY))?;
    rig.control.until_rollout("it is there", "shop/other", STEP, live).await?;
    rig.control.write(FILE, &rig.manifest("v1").replace("hosts: [shop.test]", "hosts: [shop.test, other.test]"))?;
    let view = rig.until("it is refused", STEP, |view| view["warnings"].to_string().contains("other.test")).await?;
    assert!(stable(&view, "v1") && live(&view), "{view:#}");
    let reply = Client::new(rig.address).host("other.test").get("/").await?;
    assert_eq!(reply.header("x-version").as_deref(), Some("v2"));
    Ok(())
}

#[tokio::test]
async fn release_edits_one_line_or_says_which() -> Result<()> {
    let rig = Rig::start(2, CANARY).await?;
    let path = rig.control.config().join(FILE);
    let before = std::fs::read_to_string(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444))?;
    let refused = rig.control.cli(&["release", ROLLOUT, "v2"]).await?;
    let line = before.lines().position(|line| line.contains("release:")).unwrap_or_default() + 1;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("release: v2") && said.contains(&format!("line {line}")), "{said}");
    assert_eq!(std::fs::read_to_string(&path)?, before);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640))?;
    let unknown = rig.control.cli(&["release", ROLLOUT, "v9"]).await?;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("v1, v2"), "{unknown:?}");
    rig.control.cli_ok(&["release", ROLLOUT, "v2"]).await?;
    assert_eq!(std::fs::read_to_string(&path)?, before.replace("release: v1", "release: v2"));
    assert_eq!(path.metadata()?.permissions().mode() & 0o777, 0o640);
    rig.until("it runs", STEP, |view| weight(view, "v2") > 0.0).await?;
    Ok(())
}
