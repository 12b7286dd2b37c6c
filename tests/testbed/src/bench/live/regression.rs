//! Releases that fail more often than stable, one after the other: where the time goes until no user meets them any more.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;
use serde::Serialize;

use super::figures::Case;
use super::trace::until_applied;
use super::{LONGEST, USERS};
use crate::demo::stage::{FILE, HOST, ROLLOUT, Stage};
use crate::demo::strategy::version;
use crate::{ControlPlane, Load, Tally};

/// Requests per second, over both proxies.
const RATE: f64 = 100.0;
/// What stable fails anyway, percent of its requests.
const BASELINE: f64 = 0.1;

/// One round.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Round {
    /// Failures that the bad version served to users.
    pub(super) bad: usize,
    /// From the first request that it answered to the last one.
    pub(super) exposed: Duration,
    /// From its last failure that was counted to the report that brought it.
    pub(super) report: Duration,
    /// From that report to the recorded decision.
    pub(super) decide: Duration,
    /// From the decision to the push.
    pub(super) push: Duration,
    /// From the push to the report of the last VM that decides by it.
    pub(super) applied: Duration,
}

/// So many bad releases, one after the other, on one stage.
pub(super) async fn case(points: f64, rounds: usize) -> Result<Case> {
    let bar = ProgressBar::new(rounds as u64).with_message(format!("+{points} points"));
    let control = ControlPlane::start_logging(&[(FILE, &manifest(points)?)], "info,shunt=debug").await?;
    let mut stage = Stage::before(control).await?.crowd(USERS);
    let mut case = Case::of(points);
    for number in 0..rounds {
        case.rounds.push(round(&mut stage, number).await.with_context(|| format!("round {}", number + 1))?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(case)
}

fn manifest(points: f64) -> Result<String> {
    let versions = [
        version("v1", 1, &["--error-percent", &BASELINE.to_string()])?,
        version("v2", 1, &["--error-percent", &(BASELINE + points).to_string()])?,
    ];
    Ok(format!(
        "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: checkout, namespace: shop}}\nspec:\n  service: {{hosts: [{HOST}]}}\n  \
         versions:\n{}  release: v1\n  key: [{{cookie: shunt-id}}]\n  \
         strategy: {{canary: {{steps: [{{setWeight: 5}}, {{pause: {{duration: 10m}}}}]}}}}\n",
        versions.concat()
    ))
}

/// One bad release, from no user on it to no user on it.
async fn round(stage: &mut Stage, number: usize) -> Result<Round> {
    let revision = stage.view().await?["revision"].as_u64().context("no revision")?;
    let began = SystemTime::now();
    stage.start_load_as(RATE, Load::zipf);
    let verb: &[&str] = if number == 0 { &["release", ROLLOUT, "v2"] } else { &["retry", ROLLOUT] };
    stage.control.cli_ok(verb).await?;
    let over = |view: &serde_json::Value| view["revision"].as_u64() > Some(revision) && view["phase"] == "Degraded";
    stage.control.until_rollout("the bad release is refused", ROLLOUT, LONGEST, over).await?;
    let trace = until_applied(stage, revision).await?;
    let tallies = stage.stop_loads().await;
    let all = Tally::of_all(tallies.iter().cloned());
    ensure!(all.failed() == 0, "requests failed that were not failed on purpose: {}", all.summary());
    let bad = |tally: &Tally| tally.only(|shot| shot.injected && shot.version.as_deref() == Some("v2"));
    let known = tallies.iter().zip(trace.reports).flat_map(|(tally, report)| {
        let ends = bad(tally).shots().iter().map(|shot| began + shot.at + shot.latency).collect::<Vec<_>>();
        ends.into_iter().filter(move |end| *end <= report).map(move |end| (end, report))
    });
    let (decisive, report) = known.max().context("the decision came before any failure")?;
    let between = |from: SystemTime, to: SystemTime| to.duration_since(from).unwrap_or_default();
    Ok(Round {
        bad: bad(&all).requests(),
        exposed: all.only(|shot| shot.version.as_deref() == Some("v2")).span(),
        report: between(decisive, report),
        decide: between(report, trace.recorded),
        push: between(trace.recorded, trace.published),
        applied: between(trace.published, trace.applied),
    })
}
