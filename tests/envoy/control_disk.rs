//! The disk of the store is full: aborts work and are recorded, nothing goes forward, and every view says so.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use shunt_testbed::{ControlPlane, Scenario, until};

use crate::control_rig::{FILE, ROLLOUT, RUN, Rig, STEP, weight};

/// Bytes: the store, the space that it keeps free, and some more.
const DISK: u64 = 4 * 1024 * 1024;

const WAITING: &str = "strategy: {canary: {steps: [{setWeight: 50}, {pause: {}}]}}
  keepOld: 0s";

/// Whether a file system can be mounted here. Where not, the test is skipped, which is an error in CI.
fn can_mount() -> Result<bool> {
    let tried = std::process::Command::new("unshare").args(["-m", "true"]).output();
    if tried.is_ok_and(|output| output.status.success()) {
        return Ok(true);
    }
    if std::env::var_os("CI").is_some() {
        bail!("a full disk needs a mount namespace: run the tests as root");
    }
    eprintln!("skipped: a full disk needs a mount namespace, and so root");
    Ok(false)
}

/// Writes a file until nothing fits any more.
fn fill(folder: &Path, name: &str) -> Result<()> {
    let mut file = File::create(folder.join(name))?;
    for size in [64 * 1024, 4096, 512, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    Ok(())
}

/// A run at 50 % on a disk that is full by now, and known to be.
async fn full(rig: &Rig) -> Result<()> {
    rig.release("v2")?;
    rig.until("v2 has its users", STEP, |view| weight(view, "v2") == 50.0 && view["step"]["number"] == 2).await?;
    fill(&rig.control.disk(), "filler")?;
    // The first write that fails says so.
    until("it is known", STEP, || async {
        let answer = rig.control.cli(&["pause", ROLLOUT]).await;
        let refused = answer.is_ok_and(|answer| !answer.status.success());
        refused && rig.control.get("/readyz").await.is_ok_and(|reply| reply.status == 503)
    })
    .await
}

async fn is_ready(control: &ControlPlane) -> bool {
    control.get("/readyz").await.is_ok_and(|reply| reply.status == 200)
}

#[tokio::test]
async fn on_a_full_disk_an_abort_is_recorded_and_a_release_does_not_happen() -> Result<()> {
    if !can_mount()? {
        return Ok(());
    }
    let story = Scenario::new("the disk of the store is full");
    let rig = Rig::start_on_disk(2, WAITING, DISK).await?;
    let load = rig.load();
    full(&rig).await?;
    story.given("a run at 50 % and a full disk");
    let ready = rig.control.get("/readyz").await?.text();
    assert!(ready.contains("the store cannot be written"), "{ready}");
    assert!(rig.control.cli_ok(&["get"]).await?.contains("not ready the store cannot be written"));
    let before = std::fs::read_to_string(rig.control.config().join(FILE))?;
    let released = rig.control.cli(&["release", ROLLOUT, "v1"]).await?;
    assert!(!released.status.success(), "{}", String::from_utf8_lossy(&released.stdout));
    assert_eq!(std::fs::read_to_string(rig.control.config().join(FILE))?, before, "the manifest is as it was");

    rig.control.cli_ok(&["abort", ROLLOUT, "--reason", "it is bad"]).await?;
    story.when("the run is aborted");
    let view = rig.until("it is refused", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    assert!(view["warnings"].to_string().contains("the store cannot be written"), "{view:#}");
    let mark = load.mark();
    until("200 requests after it", STEP, || async { load.tally_since(mark).requests() >= 200 }).await?;
    assert_eq!(load.tally_since(mark).of_version("v2"), 0);
    assert!(rig.story().await?.iter().any(|line| line.contains("it is bad")), "recorded although the disk is full");

    std::fs::remove_file(rig.control.disk().join("filler"))?;
    story.when("there is room again");
    until("it is ready", STEP, || is_ready(&rig.control)).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(2)), (0, 0), "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn without_any_space_an_abort_moves_traffic_and_is_recorded_later() -> Result<()> {
    if !can_mount()? {
        return Ok(());
    }
    let story = Scenario::new("the disk is full, and the space that was kept free, too");
    let rig = Rig::start_on_disk(2, WAITING, DISK).await?;
    let load = rig.load();
    full(&rig).await?;
    std::fs::remove_file(rig.control.disk().join("reserve"))?;
    fill(&rig.control.disk(), "more")?;

    rig.control.cli_ok(&["abort", ROLLOUT, "--reason", "it is bad"]).await?;
    story.when("the run is aborted");
    rig.until("it is refused", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    let mark = load.mark();
    until("200 requests after it", STEP, || async { load.tally_since(mark).requests() >= 200 }).await?;
    assert_eq!(load.tally_since(mark).of_version("v2"), 0);

    std::fs::remove_file(rig.control.disk().join("more"))?;
    std::fs::remove_file(rig.control.disk().join("filler"))?;
    story.when("there is room again");
    until("it is ready", STEP, || is_ready(&rig.control)).await?;
    assert!(rig.story().await?.iter().any(|line| line.contains("it is bad")), "{:#?}", rig.story().await?);
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(2)), (0, 0), "{}", all.summary());
    Ok(())
}
