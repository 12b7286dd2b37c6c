//! Releases judged by metrics from outside: a real Prometheus that scrapes a real Envoy, and a web source.

use anyhow::{Context, Result};
use serde_json::Value;
use shunt_testbed::{Fault, LocalShop, Prometheus, Scenario, locate, until};

use crate::control_rig::{CANARY, FILE, RUN, Rig, STEP, manifest, stable, weight};

/// Share of a version's requests that failed, by the statistics of the Envoys.
const FAILED: &str = r#"(sum(rate(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"{{clusters}}",envoy_response_code_class="5"}[5s])) or vector(0)) / sum(rate(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"{{clusters}}"}[5s]))"#;

/// Prometheus beside the rig, or why the test is left out.
async fn prometheus(rig: &Rig) -> Result<Option<Prometheus>> {
    match locate::prometheus() {
        Ok(_) => Prometheus::start(&[rig.envoy.admin()]).await.map(Some),
        Err(error) if std::env::var_os("CI").is_some() => Err(error),
        Err(error) => {
            println!("skipped: {error:#}");
            Ok(None)
        }
    }
}

/// Two canary steps, judged by these metrics; `more` are further fields of the spec.
fn judged(metrics: &str, more: &str) -> String {
    format!(
        "strategy: {{canary: {{steps: [{{setWeight: 20}}, {{pause: {{duration: 4s}}}}, {{setWeight: 50}}, {{pause: {{duration: 4s}}}}]}}}}
  analysis:
    metrics:
{metrics}
  keepOld: 0s
  {more}"
    )
}

/// One metric of Prometheus that compares with stable.
fn compared(prometheus: &Prometheus, more: &str) -> String {
    format!(
        "      - name: failed
        prometheus: {{address: '{}', query: '{FAILED}'}}
        success: value <= baseline + 0.05
        interval: 1s
        {more}",
        prometheus.url()
    )
}

fn release(rig: &Rig, version: &str, spec: &str) -> Result<()> {
    rig.control.write(FILE, &manifest("checkout", "shop.test", &rig.shops, version, spec))
}

/// The verdict of a metric in a view.
fn verdict<'v>(view: &'v Value, metric: &str) -> Option<&'v Value> {
    view["verdicts"].as_array()?.iter().find(|verdict| verdict["metric"] == metric)
}

fn says(view: &Value, metric: &str, outcome: &str) -> bool {
    verdict(view, metric).is_some_and(|verdict| verdict["outcome"] == outcome)
}

#[tokio::test]
async fn a_bad_release_is_taken_back_by_a_metric_of_prometheus() -> Result<()> {
    let story = Scenario::new("Prometheus sees what is wrong");
    let rig = Rig::start(2, CANARY).await?;
    let Some(prometheus) = prometheus(&rig).await? else { return Ok(()) };
    rig.shops[1].fault(Fault::errors(50.0));
    let load = rig.load();
    story.given("v2 fails half of its requests, and only Prometheus judges");
    release(&rig, "v2", &judged(&compared(&prometheus, "failureLimit: 1"), ""))?;
    let view = rig.until("it is refused", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    let message = view["message"].as_str().unwrap_or_default();
    story.then(message);
    assert!(message.contains("failed: 0.") && message.contains("breaks value <= baseline + 0.05: 2 of"), "{view:#}");
    let mark = load.mark();
    until("200 requests after it", STEP, || async { load.tally_since(mark).requests() >= 200 }).await?;
    assert_eq!(load.tally_since(mark).of_version("v2"), 0);
    assert_eq!(load.stop().await.failed(), 0, "nothing fails but what v2 does");
    Ok(())
}

#[tokio::test]
async fn a_good_release_is_promoted_by_prometheus_and_not_without_it() -> Result<()> {
    let story = Scenario::new("Prometheus goes away in the middle");
    let rig = Rig::start(2, CANARY).await?;
    let Some(mut prometheus) = prometheus(&rig).await? else { return Ok(()) };
    let load = rig.load();
    let template = format!(
        "apiVersion: shunt.dev/v1alpha1
kind: AnalysisTemplate
metadata: {{name: failed}}
spec:
  args: [{{name: prometheus}}, {{name: more, value: '0.05'}}]
  metrics:
    - name: failed
      prometheus: {{address: '{{{{args.prometheus}}}}', query: '{FAILED}'}}
      success: value <= baseline + double({{{{args.more}}}})
      interval: 1s
      consecutiveErrorLimit: 1000
"
    );
    rig.control.write("failed.yaml", &template)?;
    let spec = |more: &str| {
        let steps = "{setWeight: 20}, {pause: {duration: 3s}}, {setWeight: 50}, {pause: {duration: 3s}}";
        format!(
            "strategy: {{canary: {{steps: [{steps}]}}}}
  analysis: {{templates: [{{name: failed, args: {{prometheus: '{}'}}}}]}}
  keepOld: 0s
  {more}",
            prometheus.url()
        )
    };
    let spec = spec("progressDeadline: 10s");
    release(&rig, "v2", &spec)?;
    rig.until("Prometheus passes it at 20 %", RUN, |view| weight(view, "v2") >= 20.0 && says(view, "failed", "pass")).await?;
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    story.then("v2 is promoted by a template's metric");

    prometheus.kill();
    story.when("Prometheus is gone, and the release goes back to v1");
    release(&rig, "v1", &spec)?;
    let view = rig.until("the source is an error", RUN, |view| says(view, "failed", "sourceError")).await?;
    let message = verdict(&view, "failed").and_then(|verdict| verdict["message"].as_str()).unwrap_or_default().to_owned();
    assert!(message.contains("Prometheus could not be asked: "), "{message}");
    let view = rig.until("the run is held", RUN, |view| view["phase"] == "Paused").await?;
    story.then(view["message"].as_str().unwrap_or_default());
    assert_eq!(view["stable"], "v2", "{view:#}");
    assert!(view.to_string().contains("Prometheus could not be asked"), "the reason is told: {view:#}");
    assert_eq!(load.stop().await.failed(), 0);
    Ok(())
}

#[tokio::test]
async fn a_source_that_stays_down_ends_the_run_at_its_limit() -> Result<()> {
    let rig = Rig::start(2, CANARY).await?;
    let load = rig.load();
    let gone = "      - {name: gone, web: {url: 'http://127.0.0.1:1/', timeout: 2s}, max: 1, interval: 1s, consecutiveErrorLimit: 2}";
    release(&rig, "v2", &judged(gone, ""))?;
    let view = rig.until("it is refused", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    let message = view["message"].as_str().unwrap_or_default();
    assert!(message.contains("gone: the web source could not be asked 3 times in a row, 2 allowed"), "{view:#}");
    assert_eq!((view["stable"].as_str(), load.stop().await.failed()), (Some("v1"), 0));
    Ok(())
}

#[tokio::test]
async fn a_web_source_decides_a_dry_run_does_not_and_limits_survive_a_restart() -> Result<()> {
    let story = Scenario::new("a web source, and a dry run beside it");
    let mut rig = Rig::start(2, CANARY).await?;
    let judge = LocalShop::start("good").await?;
    let load = rig.load();
    let metrics = format!(
        "      - name: checked
        web: {{url: 'http://{0}/check?version={{{{version}}}}', jsonPath: $.version}}
        success: value == 'good'
        interval: 1s
      - name: looked
        web: {{url: 'http://{0}/look', jsonPath: $.path}}
        success: value == 'never'
        interval: 1s
        failureLimit: 2
        dryRun: true",
        judge.address()
    );
    let spec = judged(&metrics, "").replace("duration: 4s", "duration: 8s");
    release(&rig, "v2", &spec)?;
    let would_fail = |view: &Value| verdict(view, "looked").is_some_and(|one| one["message"].to_string().contains("would fail"));
    rig.until("the dry run would have ended it", RUN, |view| would_fail(view) && says(view, "looked", "notApplicable")).await?;
    assert!(judge.requests().iter().any(|request| request.path == "/check?version=v2"), "the candidate's name is filled in");
    rig.control.kill();
    rig.control.restart().await?;
    story.when("the control plane was killed and started again");
    let asked = || judge.requests().iter().filter(|request| request.path == "/look").count();
    let before = asked();
    let view = rig.until("the run is there again", STEP, |view| view["candidate"] == "v2" && would_fail(view)).await?;
    let message = verdict(&view, "looked").context("verdict")?["message"].to_string();
    assert!(message.contains("3 of 3 measurements failed"), "what was measured is remembered: {message}");
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    assert_eq!(asked(), before, "nothing is asked that cannot change anything any more");
    assert_eq!(load.stop().await.failed(), 0);
    Ok(())
}

/// Copies to v2 for some seconds, judged by the built-in templates in that step only.
fn shadowed(prometheus: &Prometheus) -> String {
    let template = |name: &str, more: &str| format!("{{name: {name}, args: {{prometheus: '{}', window: 5s{more}}}}}", prometheus.url());
    format!(
        "strategy: {{canary: {{steps: [{{mirror: {{}}}}, {{analysis: {{duration: 12s, templates: [{}, {}]}}}}, {{mirror: {{weight: 0}}}}, {{setWeight: 50}}]}}}}
  analysis: {{metrics: [{{name: errors, successRate: {{noWorseThanStable: {{}}}}, minSamples: 20}}]}}
  keepOld: 0s",
        template("shadow-status", ""),
        // Of a machine that is busy with tests nothing is asked but that both are measured.
        template("shadow-latency", ", extra: '60000'"),
    )
}

#[tokio::test]
async fn copies_are_compared_with_the_originals_by_envoy_own_statistics() -> Result<()> {
    let story = Scenario::new("a shadow is judged by Prometheus");
    let rig = Rig::start(2, CANARY).await?;
    let Some(prometheus) = prometheus(&rig).await? else { return Ok(()) };
    let load = rig.load();
    rig.shops[1].fault(Fault::errors(50.0));
    release(&rig, "v2", &shadowed(&prometheus))?;
    let view = rig.until("the copies fail", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    let message = view["message"].as_str().unwrap_or_default().to_owned();
    story.then(&message);
    assert!(message.contains("shadow-status: 0.") && message.contains("3 of 3 measurements failed"), "{view:#}");
    assert_eq!(load.tally_since(load.mark()).of_version("v2"), 0);

    rig.shops[1].fault(Fault::default());
    story.when("v2 is mended and tried again");
    rig.control.cli_ok(&["retry", "shop/checkout"]).await?;
    let view = rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    story.then("both comparisons passed, which its step's figures keep");
    let steps = view["figures"]["steps"].as_array().context("figures")?;
    let step = steps.iter().find(|step| step["text"] == "analysis 12s").context("the step with the comparisons")?;
    assert!(says(step, "shadow-status", "pass") && says(step, "shadow-latency", "pass"), "{step:#}");
    let latency = verdict(step, "shadow-latency").context("verdict")?;
    assert!(latency["value"].as_str().is_some_and(|value| value.parse::<f64>().is_ok_and(|ms| ms > 0.0)), "{latency:#}");
    assert!(latency["baseline"].as_str().is_some_and(|value| value.parse::<f64>().is_ok_and(|ms| ms > 0.0)), "{latency:#}");
    let all = load.stop().await;
    assert_eq!((all.failed(), all.injected()), (0, 0), "no user met a fault of a copy: {}", all.summary());
    Ok(())
}

/// An A/B test whose goal Prometheus tells: answers stand for users here, good ones for those who reach it.
fn tested(prometheus: &Prometheus) -> String {
    let count = |class: &str| {
        format!(r#"sum(increase(envoy_cluster_upstream_rq_xx{{envoy_cluster_name=~"{{{{clusters}}}}"{class}}}[{{{{elapsed}}}}]))"#)
    };
    format!(
        "strategy:
    abTest:
      goals:
        - name: answered
          prometheus: {{address: '{}'}}
          users: '{}'
          successes: '{}'
          interval: 1s
          consecutiveErrorLimit: 2
      onWinner: promote
  analysis: {{metrics: [{{name: errors, successRate: {{min: 1%}}, minSamples: 20}}]}}
  keepOld: 0s",
        prometheus.url(),
        count(""),
        count(r#",envoy_response_code_class="2""#)
    )
}

#[tokio::test]
async fn a_test_is_won_by_what_prometheus_tells_and_held_without_it() -> Result<()> {
    let story = Scenario::new("the goal of an A/B test comes from Prometheus");
    let rig = Rig::start(2, CANARY).await?;
    let Some(mut prometheus) = prometheus(&rig).await? else { return Ok(()) };
    let load = rig.load();
    rig.shops[0].fault(Fault::errors(50.0));
    story.given("v1 answers half as well as v2, and only Prometheus tells so");
    release(&rig, "v2", &tested(&prometheus))?;
    let view = rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    assert_eq!(view["phase"], "Healthy", "{view:#}");
    let history = rig.history().await?;
    let won = history.iter().find(|entry| entry.reason.contains("v2 wins: answered: v2 ")).context("a winner")?;
    story.then(&won.reason);
    assert!(won.reason.contains(" points (+"), "with its interval: {}", won.reason);

    prometheus.kill();
    story.when("Prometheus is gone, and v1 is tested against v2");
    rig.shops[0].fault(Fault::default());
    release(&rig, "v1", &tested(&prometheus))?;
    let view = rig.until("the test is held", RUN, |view| view["phase"] == "Paused").await?;
    let message = view["contest"]["message"].as_str().unwrap_or_default();
    story.then(message);
    assert!(message.starts_with("answered: Prometheus could not be asked 3 times in a row, 2 allowed: "), "{view:#}");
    assert_eq!(view["stable"], "v2", "no version wins by default: {view:#}");
    load.stop().await;
    Ok(())
}
