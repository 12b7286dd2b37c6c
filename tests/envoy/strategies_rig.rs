//! A release watched to its end; the control plane dies right after each transition that it records, and is started again.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;
use shunt_testbed::ControlPlane;
use shunt_testbed::until::INTERVAL;

/// How long a run with a kill at every transition may take: after each one, everything is proved anew.
const LONG: Duration = Duration::from_secs(240);

/// Makes the control plane die between a record and whatever follows from it (`control-plane/src/crash.rs`).
const CRASH: &str = "SHUNT_CRASH_AFTER_RECORD";

/// How a release ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Promoted,
    /// Over without promotion and without fault.
    Over,
    /// Refused.
    Refused,
}

/// Looks at one Rollout, from now on.
#[derive(Debug)]
pub(crate) struct Watch {
    rollout: String,
    killed: bool,
    /// Revisions: when this began, and the last one that was seen.
    begun: u64,
    seen: u64,
    kills: usize,
    /// It was started again, and what it recorded before it died has not been seen yet.
    risen: bool,
}

impl Watch {
    /// `killed`: the control plane dies at whatever it records.
    pub(crate) async fn new(control: &mut ControlPlane, rollout: &str, killed: bool) -> Result<Self> {
        let begun = revision(&control.rollout(rollout).await?);
        if killed {
            control.set_env(CRASH, Some(rollout));
            control.restart().await?;
        }
        Ok(Self { rollout: rollout.to_owned(), killed, begun, seen: begun, kills: 0, risen: false })
    }

    /// Waits until something that was recorded since this began gives a value.
    pub(crate) async fn until<T>(&mut self, control: &mut ControlPlane, what: &str, look: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let start = Instant::now();
        let mut last = Value::Null;
        while start.elapsed() < LONG {
            if self.killed && control.child().exited().is_some() {
                self.raise(control).await?;
            }
            // While it starts it knows nothing.
            if let Ok(view) = control.rollout(&self.rollout).await {
                let now = revision(&view);
                // It does not die by itself after what was recorded for a command, because a client waits for the answer.
                if self.killed && now > self.seen && !self.risen {
                    self.raise(control).await?;
                } else if let Some(value) = look(&view).filter(|_| now > self.begun) {
                    return Ok(value);
                }
                self.risen &= now == self.seen;
                self.seen = now;
                last = view;
            }
            tokio::time::sleep(INTERVAL).await;
        }
        bail!("waited {LONG:?} in vain until {what}: {last:#}\n{}", control.child().log_tail(30))
    }

    async fn raise(&mut self, control: &mut ControlPlane) -> Result<()> {
        self.kills += 1;
        self.risen = true;
        control.restart().await
    }

    /// Waits until the release of this version has ended. From then on nothing kills the control plane any more.
    pub(crate) async fn end(&mut self, control: &mut ControlPlane, version: &str) -> Result<End> {
        let end = self.until(control, &format!("the release of {version} has ended"), |view| end(view, version)).await?;
        if self.killed {
            control.set_env(CRASH, None);
            self.raise(control).await?;
            self.killed = false;
        }
        self.until(control, "it is there again", |_| Some(())).await?;
        Ok(end)
    }

    /// Waits until the release waits for an operator, with this step proved before it.
    pub(crate) async fn paused_after(&mut self, control: &mut ControlPlane, step: u64) -> Result<()> {
        let paused = |view: &Value| view["phase"] == "Paused" && view["step"]["number"] == step + 1;
        self.until(control, &format!("it waits after step {step}"), |view| paused(view).then_some(())).await
    }

    /// Each transition was recorded once, whatever died in between.
    pub(crate) async fn whole_journal(&self, control: &ControlPlane) -> Result<()> {
        let history: Value = control.get_json(&format!("/v1/rollouts/{}/history?limit=1000", self.rollout)).await?;
        let entries = history["entries"].as_array().cloned().unwrap_or_default();
        let revisions: Vec<u64> = entries.iter().filter_map(|entry| entry["revision"].as_u64()).collect();
        assert_eq!(revisions, (1..=revisions.len() as u64).collect::<Vec<_>>());
        let since: Vec<&Value> = entries.iter().filter(|entry| entry["revision"].as_u64() > Some(self.begun)).collect();
        let commands = since.iter().filter(|entry| !entry["command"].is_null()).count();
        println!("{} transitions of {}, {commands} of them commands, {} kills", since.len(), self.rollout, self.kills);
        assert!(self.kills == 0 || self.kills + commands >= since.len(), "{} kills in {} transitions", self.kills, since.len());
        Ok(())
    }
}

fn revision(view: &Value) -> u64 {
    view["revision"].as_u64().unwrap_or_default()
}

fn end(view: &Value, version: &str) -> Option<End> {
    let over = view["candidate"].is_null() && view["release"] == version;
    match view["phase"].as_str()? {
        "Healthy" if over && view["stable"] == version => Some(End::Promoted),
        "Healthy" if over && view["concluded"].is_string() => Some(End::Over),
        "Degraded" if over => Some(End::Refused),
        _ => None,
    }
}
