//! Each kind of gate holds a release on a real Envoy and lets it go on; what it is asked is signed.

use std::fmt::Write;

use anyhow::{Context, Result};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use shunt_testbed::webhooks::{Asked, Says, Webhooks};
use shunt_testbed::{RunningLoad, Scenario, until};

use crate::control_rig::{ROLLOUT, RUN, Rig, STEP, stable, weight};

const SECRET: &str = "correct horse";

/// A release that one gate after the other holds.
struct Stage {
    story: Scenario,
    rig: Rig,
    outside: Webhooks,
    load: RunningLoad,
}

impl Stage {
    /// The receiver of this gate's calls has said "not yet" three times, and the release is where it was.
    async fn held(&self, gate: &str, percent: f64) -> Result<()> {
        let path = format!("/{gate}");
        let before = self.outside.asked(&path).len();
        until(format!("{gate} was asked three times"), RUN, || async { self.outside.asked(&path).len() >= before + 3 }).await?;
        let says = format!("{gate} did not say yes");
        let view = self.rig.until(&format!("{gate} holds it"), STEP, |view| view["message"].to_string().contains(&says)).await?;
        assert_eq!((weight(&view, "v2"), &view["stable"]), (percent, &"v1".into()), "{view:#}");
        if percent == 0.0 {
            assert_eq!(self.rig.shops[1].counts().total, 0, "no user is on v2");
        }
        self.story.then(format!("{gate} holds the release at {percent} %"));
        self.outside.set(&path, Says::Status(200));
        Ok(())
    }
}

#[tokio::test]
async fn each_gate_holds_a_release_and_lets_it_go_on() -> Result<()> {
    let story = Scenario::new("every kind of gate in one release");
    let (outside, folder) = (Webhooks::start().await?, tempfile::tempdir()?);
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n"))?;
    let gates = ["confirmRollout", "confirmStep", "confirmPromotion", "rollback"];
    let mut spec = "strategy: {canary: {steps: [{setWeight: 20}, {setWeight: 50}]}}
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}
  gates:"
        .to_owned();
    for gate in gates {
        outside.set(&format!("/{gate}"), Says::Status(404));
        let url = outside.url(&format!("/{gate}"));
        write!(spec, "\n    {gate}: {{webhook: {{url: '{url}', secretFile: '{}'}}, interval: 100ms}}", secret.display())?;
    }
    let rig = Rig::start(2, &spec).await?;
    let load = rig.load();
    rig.release("v2")?;
    let stage = Stage { story, rig, outside, load };
    stage.held("confirmRollout", 0.0).await?;
    stage.held("confirmStep", 0.0).await?;
    stage.rig.until("the step is taken", STEP, |view| weight(view, "v2") == 20.0).await?;
    stage.outside.set("/confirmStep", Says::Status(404));
    stage.held("confirmStep", 20.0).await?;
    stage.held("confirmPromotion", 50.0).await?;
    stage.rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    let all = stage.load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());

    for (gate, about) in [
        ("confirmRollout", &["gate confirmRollout before"][..]),
        ("confirmStep", &["gate confirmStep before", "gate confirmStep before"]),
        ("confirmPromotion", &["gate confirmPromotion"]),
    ] {
        let asked = stage.outside.asked(&format!("/{gate}"));
        let yes: Vec<&Asked> = asked.iter().filter(|asked| asked.status == 200).collect();
        assert_eq!(yes.len(), about.len(), "a yes is enough: {gate}");
        for (asked, about) in yes.iter().zip(about) {
            let says = asked.body["about"].as_str().unwrap_or_default();
            assert!(says.starts_with(about) && asked.body["call"] == gate && asked.body["kind"] == "gate", "{}", asked.body);
        }
    }
    let rollback = stage.outside.asked("/rollback");
    assert!(rollback.len() > 10 && rollback.iter().all(|asked| asked.body["kind"] == "rollback"), "asked all the while");
    stage.story.then("each gate was asked until its yes, and the rollback all the while");
    for asked in gates.iter().flat_map(|gate| stage.outside.asked(&format!("/{gate}"))) {
        signed(&asked)?;
    }
    Ok(())
}

/// What came bears a signature that a receiver with the secret can verify, and that cannot be made without it.
fn signed(asked: &Asked) -> Result<()> {
    let header = |name: &str| asked.headers.get(name).with_context(|| format!("{name} in {:?}", asked.headers));
    let (timestamp, signature) = (header("x-shunt-timestamp")?, header("x-shunt-signature")?);
    assert!(verifies(SECRET, timestamp, &asked.bytes, signature), "{asked:?}");
    assert!(!verifies("wrong horse", timestamp, &asked.bytes, signature), "another secret");
    assert!(!verifies(SECRET, "1700000000", &asked.bytes, signature), "another time");
    let mut other = asked.bytes.to_vec();
    other[0] ^= 1;
    assert!(!verifies(SECRET, timestamp, &other, signature), "another body");
    assert_eq!(header("x-shunt-call")?, asked.body["id"].as_str().unwrap_or_default());
    assert_eq!(header("x-shunt-try")?, &asked.body["try"].to_string());
    Ok(())
}

/// As a receiver does it, from what the documentation says.
fn verifies(secret: &str, timestamp: &str, body: &[u8], signature: &str) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("keys of any length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let digits = signature.strip_prefix("sha256=").unwrap_or_default();
    let pairs = digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).unwrap_or_default());
    mac.verify_slice(&pairs.collect::<Vec<u8>>()).is_ok()
}

#[tokio::test]
async fn a_person_is_a_gate_too_and_the_journal_says_who() -> Result<()> {
    let spec = "strategy: {canary: {steps: [{setWeight: 20}]}}
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}
  gates: {confirmRollout: {}, confirmPromotion: {}}";
    let rig = Rig::start(2, spec).await?;
    let load = rig.load();
    rig.release("v2")?;
    for (gate, percent) in [("confirmRollout", 0.0), ("confirmPromotion", 20.0)] {
        let at = |view: &Value| view["phase"] == "Paused" && view["step"]["text"].to_string().contains(gate);
        let view = rig.until(&format!("{gate} waits for an operator"), STEP, at).await?;
        assert_eq!(weight(&view, "v2"), percent, "{view:#}");
        rig.control.cli_ok(&["promote", ROLLOUT, "--reason", &format!("{gate} looks good")]).await?;
    }
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    let told = rig.story().await?.join("\n");
    for gate in ["confirmRollout", "confirmPromotion"] {
        assert!(told.contains(&format!("{gate} looks good")), "{told}");
    }
    Ok(())
}
