//! Every hook around releases on a real Envoy, as webhook and as command: called once, with what is documented.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::Value;
use shunt_testbed::webhooks::Webhooks;
use shunt_testbed::{Scenario, until};
use tempfile::TempDir;

use crate::control_rig::{ROLLOUT, RUN, Rig, STEP, stable};

const HOOKS: [&str; 5] = ["beforeDeploy", "beforeTraffic", "afterPromote", "onRollback", "onRollForward"];

/// Who is called.
enum Outside {
    Webhooks(Webhooks),
    /// A program that notes what it reads and its environment, in a file for each hook.
    Program(TempDir),
}

/// One line for standard input, one for the environment.
const PROGRAM: &str = r#"body=$(cat)
environment=$(env | grep '^SHUNT_' | tr '\n' '\t')
printf '%s\n%s\n' "$body" "$environment" >> "$(dirname "$0")/$SHUNT_CALL"
"#;

impl Outside {
    fn program() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("note.sh"), PROGRAM)?;
        Ok(Self::Program(folder))
    }

    /// The hook's fields.
    fn written(&self, hook: &str) -> String {
        match self {
            Self::Webhooks(outside) => format!("{{webhook: {{url: '{}', metadata: {{team: shop}}}}}}", outside.url(&format!("/{hook}"))),
            Self::Program(folder) => format!("{{command: [/bin/sh, '{}']}}", folder.path().join("note.sh").display()),
        }
    }

    /// The bodies that came to this hook, oldest first.
    fn called(&self, hook: &str) -> Result<Vec<Value>> {
        match self {
            Self::Webhooks(outside) => Ok(outside.asked(&format!("/{hook}")).into_iter().map(|asked| asked.body).collect()),
            Self::Program(folder) => {
                let text = std::fs::read_to_string(folder.path().join(hook)).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                lines.chunks(2).map(|lines| note(lines[0], lines.get(1).context("a line for the environment")?)).collect()
            }
        }
    }
}

/// The body, after a look at whether the environment says the same.
fn note(body: &str, environment: &str) -> Result<Value> {
    let body: Value = serde_json::from_str(body).with_context(|| body.to_owned())?;
    let environment: BTreeMap<&str, &str> = environment.split('\t').filter_map(|pair| pair.split_once('=')).collect();
    let text = |pointer: &str| match body.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let fields = [
        ("SHUNT_NAMESPACE", "/namespace"),
        ("SHUNT_NAME", "/name"),
        ("SHUNT_PHASE", "/phase"),
        ("SHUNT_CANDIDATE", "/candidate"),
        ("SHUNT_STABLE", "/stable"),
        ("SHUNT_PREVIOUS", "/previous"),
        ("SHUNT_ATTEMPT", "/attempt"),
        ("SHUNT_STEP", "/step/number"),
        ("SHUNT_STEPS", "/step/of"),
        ("SHUNT_EVENT", "/event"),
        ("SHUNT_CALL", "/call"),
        ("SHUNT_CALL_ID", "/id"),
        ("SHUNT_CALL_KIND", "/kind"),
        ("SHUNT_TRY", "/try"),
    ];
    for (variable, pointer) in fields {
        assert_eq!(environment.get(variable).copied().unwrap_or("(absent)"), text(pointer), "{variable} and {pointer}");
    }
    assert_eq!(environment.get("SHUNT_ROLLOUT"), Some(&ROLLOUT));
    assert_eq!(environment.get("SHUNT_WEIGHT").and_then(|weight| weight.parse().ok()), body["weight"].as_f64());
    Ok(body)
}

/// Fields of the documented body.
const FIELDS: [&str; 15] = [
    "id",
    "name",
    "namespace",
    "phase",
    "checksum",
    "metadata",
    "call",
    "kind",
    "about",
    "candidate",
    "stable",
    "previous",
    "attempt",
    "weight",
    "try",
];

fn documented(hook: &str, body: &Value) -> Result<()> {
    let fields: BTreeSet<&str> = body.as_object().with_context(|| format!("{hook}: {body}"))?.keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = FIELDS.into_iter().chain(["step", "event"]).collect();
    assert!(FIELDS.iter().all(|field| fields.contains(field)) && fields.is_subset(&known), "{hook}: {body}");
    let expected = [("name", "checkout"), ("namespace", "shop"), ("call", hook), ("kind", "hook")];
    assert!(expected.iter().all(|(field, value)| body[field] == *value), "{hook}: {body}");
    assert!(body["about"].as_str().is_some_and(|about| about.contains(&format!("hook {hook}"))), "{hook}: {body}");
    assert_eq!(body["try"], 1, "{hook}: {body}");
    Ok(())
}

/// v2 is promoted, v3 aborted, v4 replaces it.
async fn story(outside: Outside) -> Result<()> {
    let story = Scenario::new("hooks around three releases");
    let mut spec = "strategy: {canary: {steps: [{setWeight: 20}, {pause: {}}]}}
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}
  keepOld: 0s
  hooks:"
        .to_owned();
    for hook in HOOKS {
        write!(spec, "\n    {hook}: {}", outside.written(hook))?;
    }
    let rig = Rig::start(4, &spec).await?;
    let load = rig.load();
    let paused = async |version: &str| {
        rig.release(version)?;
        let at = |view: &Value| view["phase"] == "Paused" && view["candidate"] == version;
        rig.until(&format!("{version} waits for an operator"), RUN, at).await
    };
    paused("v2").await?;
    assert_eq!(
        (outside.called("beforeDeploy")?.len(), outside.called("beforeTraffic")?.len(), outside.called("afterPromote")?.len()),
        (1, 1, 0)
    );
    rig.control.cli_ok(&["promote", ROLLOUT]).await?;
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    paused("v3").await?;
    assert_eq!(outside.called("onRollback")?.len(), 0);
    rig.control.cli_ok(&["abort", ROLLOUT]).await?;
    rig.until("v3 is refused", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    paused("v4").await?;
    rig.control.cli_ok(&["promote", ROLLOUT]).await?;
    rig.until("v4 is stable", RUN, |view| stable(view, "v4")).await?;
    until("the last hook was called", STEP, || async { outside.called("afterPromote").is_ok_and(|all| all.len() == 2) }).await?;
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());

    let before = &["v2 over v1 after none", "v3 over v2 after v1", "v4 over v2 after v1"][..];
    for (hook, event, calls) in [
        ("beforeDeploy", None, before),
        ("beforeTraffic", None, before),
        ("afterPromote", Some("promoted"), &["v2 over v2 after v1", "v4 over v4 after v2"]),
        ("onRollback", Some("recovered"), &["v3 over v2 after v1"]),
        ("onRollForward", Some("rollForward"), &["v4 over v2 after v1"]),
    ] {
        let bodies = outside.called(hook)?;
        let text = |body: &Value, field: &str| body[field].as_str().unwrap_or("none").to_owned();
        let told = |body: &Value| format!("{} over {} after {}", text(body, "candidate"), text(body, "stable"), text(body, "previous"));
        let told: Vec<String> = bodies.iter().map(told).collect();
        assert_eq!(told, calls, "{hook}");
        story.then(format!("{hook}: {told:?}"));
        for body in &bodies {
            documented(hook, body)?;
            assert_eq!(body["event"].as_str(), event, "{hook}: {body}");
        }
        let ids: BTreeSet<String> = bodies.iter().map(|body| text(body, "id")).collect();
        assert_eq!(ids.len(), bodies.len(), "{hook}: each call has an id of its own");
    }
    Ok(())
}

#[tokio::test]
async fn hooks_as_webhooks() -> Result<()> {
    story(Outside::Webhooks(Webhooks::start().await?)).await
}

#[tokio::test]
async fn hooks_as_commands() -> Result<()> {
    story(Outside::program()?).await
}
